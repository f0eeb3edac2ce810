-- ops.lua: the parts of the interpreter find one another here: each adds its functions.
--
-- The interpreter runs the file on values that stand for all that may be (value.lua), every branch, every loop twice. What is
-- called back later is queued and runs afterwards, with what was known where it was registered (state.lua). An environment E is
-- the place where it is: E.run (the whole run), E.frame (the variables of the function), E.state, E.ctx (on whose behalf).
return {}
