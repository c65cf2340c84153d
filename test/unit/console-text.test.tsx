/** @jsxImportSource hono/jsx */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Ago, duration, Moment, shown, Text, Texts } from '../../src/console/parts/text.tsx'

describe('text of strangers', () => {
  it.each([
    ['<script>alert(1)</script>', '<bdi>&lt;script&gt;alert(1)&lt;/<wbr/>script&gt;</bdi>'],
    ['a"b\'c&d', '<bdi>a&quot;b&#39;c&amp;d</bdi>'],
    ['\u202egnp.exe', '<bdi>\\u202egnp.<wbr/>exe</bdi>'],
    ['a\u0000b\u001b[31m', '<bdi>a\\u0000b\\u001b[31m</bdi>'],
    ['zero\u200bwidth\ufeff', '<bdi>zero\\u200bwidth\\ufeff</bdi>'],
    ['tag\u{e0041}', '<bdi>tag\\ue0041</bdi>'],
  ])('%j is shown and does nothing', (value, html) => expect(String(<Text value={value} />)).toBe(html))

  it('is cut where it is long, and there all the same', () => {
    const html = String(<Text value={'x'.repeat(65_536)} />)
    expect(html).toContain(`<summary><bdi>${'x'.repeat(120)}</bdi>…</summary>`)
    expect(html).toContain('x'.repeat(65_536))
  })

  it('lists a few and says how many more', () => {
    const html = String(<Texts values={['a', 'b', 'c', 'd', 'e']} />)
    expect(html).toContain('and 2 more')
    expect(String(<Texts values={[]} />)).toContain('none')
  })

  it('never holds what acts in a page, whatever it is made of', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        expect(shown(value)).not.toMatch(/(?![\t\n])[\p{Cc}\p{Cf}]/u)
        expect(
          String(<Text value={value} />).replace(/<\/?(?:bdi|details|summary|wbr)(?: class="(?:cut|whole)")?\/?>/g, ''),
        ).not.toMatch(/[<>]/)
      }),
    )
  })
})

describe('times', () => {
  it.each([
    [400, '0.4 s'],
    [12_000, '12 s'],
    [61_000, '1 min 1 s'],
    [3_600_000, '1 h'],
    [90_000_000, '1 d 1 h'],
    [86_400_000 * 400, '400 d'],
  ])('%i ms are %s', (milliseconds, text) => expect(duration(milliseconds)).toBe(text))

  const at = new Date('2026-03-01T12:30:00Z')

  it('are UTC', () => {
    expect(String(<Moment at={at} />)).toBe(
      '<time datetime="2026-03-01T12:30:00.000Z" title="2026-03-01 12:30:00 UTC">1 Mar 2026, 12:30</time>',
    )
    expect(String(<Moment at={at} only="date" />)).toContain('>1 Mar 2026<')
  })

  it('say how long ago and how long until', () => {
    const away = (milliseconds: number) => String(<Ago at={new Date(at.getTime() + milliseconds)} now={at} />)
    expect(away(0)).toContain('just now')
    expect(away(-120_000)).toContain('2 min ago')
    expect(away(86_400_000)).toContain('in 1 d')
  })
})
