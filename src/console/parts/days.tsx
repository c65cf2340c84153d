/** @jsxImportSource hono/jsx */

const DAY = 86_400_000

/** Whole days until then, a certificate's end that is written in seconds: negative where it is past. */
function daysUntil(at: Date, now: Date): number {
  return Math.floor((Math.floor(at.getTime() / 1000) * 1000 - now.getTime()) / DAY)
}

/** Days until an end, louder the nearer it is; `quiet` where the end does not matter any more. */
export function Days({ at, now, quiet }: { at: Date; now: Date; quiet?: boolean }) {
  const days = daysUntil(at, now)
  const ended = at <= now
  const text = ended ? `ended ${Math.max(0, -days - 1)} d ago` : days === 0 ? 'ends today' : `${days} d left`
  const tone = quiet ? 'quiet' : ended || days < 7 ? 'near' : days < 30 ? 'soon' : ''
  return <span class={`days number ${tone}`}>{text}</span>
}
