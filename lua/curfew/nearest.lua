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
			local same = string.byte(a, i) == string.byte(b, j)
			local d = math.min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (same and 0 or 1))
			if i > 1 and j > 1 and string.byte(a, i) == string.byte(b, j - 1) and string.byte(a, i - 1) == string.byte(b, j) then
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
	local low = string.lower(word)
	for _, name in ipairs(names) do
		local other = string.lower(name)
		local d = distance(low, other)
		if #low >= 4 and #other >= 4 and (string.find(other, low, 1, true) or string.find(low, other, 1, true)) then
			d = math.min(d, 2)
		end
		if d <= math.max(1, math.min(#low, #other) // 3) and (not best or d < best_distance) then
			best, best_distance = name, d
		end
	end
	return best
end
