/**
 * Matches text against a pattern in which `*` stands for any run of characters other than a dot and `**` for any run
 * at all; a leading dot means every name below. Time is bounded by pattern length times text length.
 */
export function matchesPattern(pattern: string, text: string): boolean {
  if (pattern.startsWith('.')) return text.length > pattern.length && matchesPattern(`**${pattern}`, text)
  const parts = pattern.match(/\*\*|\*|[^*]/g) ?? []
  let reached = new Array<boolean>(text.length + 1).fill(false)
  reached[0] = true
  for (const part of parts) {
    const next = new Array<boolean>(text.length + 1).fill(false)
    for (let i = 0; i <= text.length; i++) {
      if (part === '**') next[i] = reached[i] === true || (i > 0 && next[i - 1] === true)
      else if (part === '*') next[i] = reached[i] === true || (i > 0 && next[i - 1] === true && text[i - 1] !== '.')
      else next[i] = i > 0 && reached[i - 1] === true && text[i - 1] === part
    }
    reached = next
  }
  return reached[text.length] === true
}
