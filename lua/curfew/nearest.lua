-- nearest.lua: the valid name that a misspelt one most likely meant. Only errors need it.

-- How many insertions, deletions, substitutions and swaps of neighbours turn a into b.
local function distance(a, b)
	local before, row = {}, {}
	for j = 0, #b do
		row[j] = j
	end
	for i = 1, #a do
		local last = before
		before, row = row, { [0] = i }
		for j = 1, #b do
			local same = a:byte(i) == b:byte(j)
			local d = math.min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (same and 0 or 1))
			if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
				d = math.min(d, last[j - 2] + 1)
			end
			row[j] = d
		end
	end
	return row[#b]
end

-- word may be anything; names is a list of strings. nil when none is near enough to be worth a question.
return function(word, names)
	if type(word) ~= "string" or #word > 64 then
		return nil
	end
	local best, best_distance
	local low = word:lower()
	for _, name in ipairs(names) do
		local other = name:lower()
		local d = distance(low, other)
		if #low >= 4 and #other >= 4 and (other:find(low, 1, true) or low:find(other, 1, true)) then
			d = math.min(d, 2)
		end
		if d <= math.max(1, math.min(#low, #other) // 3) and (not best or d < best_distance) then
			best, best_distance = name, d
		end
	end
	return best
end
