/** How a status stands out on a terminal; elsewhere, and where NO_COLOR is set (no-color.org), it does not. */
const colours: Record<string, number> = {
  requested: 33,
  signing: 33,
  revoking: 33,
  signed: 32,
  issued: 32,
  hold: 33,
  revoked: 31,
  denied: 31,
  failed: 31,
  expired: 90,
  canceled: 90,
}

/** `text` may be padded. */
export function coloured(text: string): string {
  const { NO_COLOR, TERM } = process.env
  const colour = colours[text.trim().toLowerCase()]
  if (colour === undefined || !process.stdout.isTTY || NO_COLOR || TERM === 'dumb') return text
  return `\u001b[${colour}m${text}\u001b[0m`
}
