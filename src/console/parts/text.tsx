/** @jsxImportSource hono/jsx */

/** Controls, marks that reverse text and what has no width: names come from strangers, and each of these could make one look like another. */
const hidden = /(?![\t\n])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

/** Text in which every character shows and none acts. */
export function shown(text: string): string {
  return text.replace(hidden, (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`)
}

/** Long names break where they have a sign, not in the middle of a word. */
function Breaking({ text }: { text: string }) {
  const words = text.split(/(?<=[.,:;@/=_-])(?=[^\s.,:;@/=_-])/)
  if (words.length === 1 || words.length > 200) return <bdi>{text}</bdi>
  return <bdi>{words.map((word, at) => (at === 0 ? word : [<wbr />, word]))}</bdi>
}

/** What somebody else wrote: as text, apart from the text around it, and cut where it is long, with a way to see all. */
export function Text({ value, most = 120 }: { value: string; most?: number }) {
  const text = shown(value)
  if (text.length <= most) return <Breaking text={text} />
  return (
    <details class="cut">
      <summary>
        <bdi>{text.slice(0, most)}</bdi>…
      </summary>
      <bdi class="whole">{text}</bdi>
    </details>
  )
}

interface TextsProps {
  values: readonly string[]
  most?: number
  /** Of a list with a page for each row: no more than these come with it. */
  within?: number
}

/** Several of them, the first few and how many more there are. */
export function Texts({ values, most = 3, within = values.length }: TextsProps) {
  if (values.length === 0) return <span class="quiet">none</span>
  const [first, rest] = [values.slice(0, most), values.slice(most, Math.max(most, within))]
  const unshown = values.length - first.length - rest.length
  return (
    <span class="texts">
      {first.map((value) => (
        <span class="one">
          <Text value={value} most={60} />
        </span>
      ))}
      {rest.length > 0 && (
        <details class="cut">
          <summary>and {rest.length + unshown} more</summary>
          {rest.map((value) => (
            <span class="one">
              <Text value={value} most={200} />
            </span>
          ))}
          {unshown > 0 && <span class="one quiet">and {unshown} that its own page shows</span>}
        </details>
      )}
    </span>
  )
}

const dateForm = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' })
const timeForm = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', timeZone: 'UTC' })

/** A moment in UTC; `date` alone for what is days away. */
export function Moment({ at, only }: { at: Date; only?: 'date' }) {
  const iso = at.toISOString()
  return (
    <time datetime={iso} title={`${iso.slice(0, 19).replace('T', ' ')} UTC`}>
      {dateForm.format(at)}
      {only === 'date' ? '' : `, ${timeForm.format(at)}`}
    </time>
  )
}

/** Milliseconds in the two largest units that say something: `3 d 4 h`, `12 min`, `0.4 s`. */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  const units: [string, number][] = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ]
  const from = units.findIndex(([, size]) => seconds >= size)
  let left = Math.round(seconds)
  const parts: string[] = []
  for (const [name, size] of units.slice(from, from + 2)) {
    const count = Math.floor(left / size)
    left -= count * size
    if (count > 0) parts.push(`${count} ${name}`)
  }
  return parts.join(' ')
}

/** How long ago, or how long until: `in 3 d 4 h`, `2 min ago`. */
export function Ago({ at, now }: { at: Date; now: Date }) {
  const away = at.getTime() - now.getTime()
  const text = Math.abs(away) < 10_000 ? 'just now' : away > 0 ? `in ${duration(away)}` : `${duration(-away)} ago`
  return (
    <time datetime={at.toISOString()} title={`${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`}>
      {text}
    </time>
  )
}
