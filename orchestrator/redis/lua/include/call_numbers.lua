-- Included: a number out of a hash that others can write to; what is no number counts as 0.
local function number_of(text)
  return tonumber(text or '') or 0
end
