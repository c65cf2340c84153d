/** @jsxImportSource hono/jsx */

export interface Bar {
  label: string
  value: number
  /** Where these are listed. */
  to: string
  tone?: 'bad' | 'warn' | 'plain'
  /** There may be more. */
  atLeast?: boolean
}

const grouped = new Intl.NumberFormat('en-GB')
const numberText = (value: number, atLeast?: boolean) => `${atLeast ? 'at least ' : ''}${grouped.format(value)}`

/** Lines with a bar each, for a few numbers. The numbers stand as text, so that the picture may be left unread. */
export function Bars({ bars, label }: { bars: readonly Bar[]; label: string }) {
  const longest = Math.max(1, ...bars.map(({ value }) => value))
  return (
    <ul class="bars" aria-label={label}>
      {bars.map(({ label: name, value, to, tone = 'plain', atLeast }) => (
        <li>
          <a href={to}>{name}</a>
          <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">
            <rect class="track" width="100" height="8" />
            <rect class={tone} width={value === 0 ? 0 : Math.max(1, (value / longest) * 100)} height="8" />
          </svg>
          <span class="number">{numberText(value, atLeast)}</span>
        </li>
      ))}
    </ul>
  )
}

/** One colour of a picture, with its whole in words. */
export interface Series {
  name: string
  /** Of each day. */
  values: readonly number[]
}

const [width, above, deepest, foot] = [720, 120, 40, 18]
const colours = 6

/**
 * Days from left to right: series stacked upwards, and what went wrong downwards, both to one scale. What it shows is told by the legend, and by the table below it.
 */
export function DayChart({ days, up, down }: { days: readonly Date[]; up: readonly Series[]; down: Series }) {
  const totals = days.map((_, day) => up.reduce((sum, { values }) => sum + (values[day] ?? 0), 0))
  const most = Math.max(1, ...totals)
  const worst = Math.max(0, ...down.values)
  const below = worst === 0 ? 6 : deepest
  const scale = above / most
  const step = width / days.length
  const bar = step * 0.72
  return (
    <svg
      class="days-chart"
      viewBox={`0 0 ${width} ${above + below + foot}`}
      aria-hidden="true"
      focusable="false"
      preserveAspectRatio="xMidYMid meet"
    >
      {days.map((day, index) => {
        const x = round(index * step + (step - bar) / 2)
        let y = above
        return (
          <g>
            {up.map(({ values }, order) => {
              const height = (values[index] ?? 0) * scale
              if (height === 0) return null
              y -= height
              return (
                <rect
                  class={`s${order % colours}`}
                  x={x}
                  y={round(y)}
                  width={round(bar)}
                  height={round(Math.max(height, 1))}
                />
              )
            })}
            {(down.values[index] ?? 0) > 0 && (
              <rect
                class="bad"
                x={x}
                y={above + 1}
                width={round(bar)}
                height={round(Math.min(below, Math.max(2, (down.values[index] ?? 0) * scale)))}
              />
            )}
            {index % 7 === (days.length - 1) % 7 && (
              <text
                class={index === days.length - 1 ? 'last' : undefined}
                x={index === days.length - 1 ? width : round(index * step + step / 2)}
                y={above + below + foot - 4}
              >
                {dayText(day)}
              </text>
            )}
          </g>
        )
      })}
      <line x1="0" x2={width} y1={above + 0.5} y2={above + 0.5} />
    </svg>
  )
}

const round = (value: number): number => Math.round(value * 100) / 100

const dayForm = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' })
export const dayText = (day: Date): string => dayForm.format(day)

/** What each colour is, and its sum. */
export function Legend({ up, down }: { up: readonly Series[]; down: Series }) {
  const sum = ({ values }: Series) => grouped.format(values.reduce((all, value) => all + value, 0))
  return (
    <ul class="legend">
      {up.map((series, order) => (
        <li>
          <Swatch kind={`s${order % colours}`} /> {series.name} <span class="number">{sum(series)}</span>
        </li>
      ))}
      <li>
        <Swatch kind="bad" /> {down.name} <span class="number">{sum(down)}</span>
      </li>
    </ul>
  )
}

function Swatch({ kind }: { kind: string }) {
  return (
    <svg class="swatch" viewBox="0 0 10 10" aria-hidden="true" focusable="false">
      <rect class={kind} width="10" height="10" rx="2" />
    </svg>
  )
}
