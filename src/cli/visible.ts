/** Controls of the terminal, marks that reverse text, and what breaks lines: names come from strangers. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
const hidden = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g

/** Whether every character of a text shows. */
export function isVisible(text: string): boolean {
  return text.search(hidden) < 0
}

/** Text in which every character shows and none acts: others become \\u and their number. */
export function visible(text: string): string {
  return text.replace(hidden, escaped)
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

/** JSON, indented, that holds no such character either. */
export function visibleJson(value: unknown): string {
  const lines = JSON.stringify(value, null, 2).split('\n')
  return lines.map((line) => line.replace(hidden, escaped)).join('\n')
}
