import { describe, expect, it } from 'vitest'
import { useConsoleApp } from '../helpers/consoleApp.ts'

const world = useConsoleApp()

describe('YAML of somebody who only reads', () => {
  it.each([
    ['nested lists', '[', 100],
    ['nested lists, many', '[', 19_000],
    ['nested maps', '{a: ', 9_000],
    ['lists in lines', '- ', 19_000],
    ['keys of keys', '? ', 19_000],
    ['named lists', '[ &a ', 9_000],
  ])('ends nothing by %s', async (_what, part, times) => {
    const { app } = world
    const fields = { version: '1', text: part.repeat(times) }
    const refused = await app.post('/console/profiles/rest/edit', fields, { by: app.operator })
    expect(refused.status).toBe(422)
    expect(refused.text).toContain('nested deeper than 40 levels')
  })

  it('holds up nothing by a map of many keys', async () => {
    const { app } = world
    const text = Array.from({ length: 4000 }, (_, n) => `k${n}: 1`).join('\n')
    const refused = await app.post('/console/profiles/rest/edit', { version: '1', text }, { by: app.operator })
    expect(refused.text).toContain('more than 2000 keys')
  })

  it('nor by more marks than a profile has', async () => {
    const { app } = world
    const fields = { version: '1', text: '#\n'.repeat(30_000) }
    const refused = await app.post('/console/profiles/rest/edit', fields, { by: app.operator })
    expect(refused.text).toContain('more than 20000 lines and marks')
  })

  it('nor by the settings of an authority', async () => {
    const { app } = world
    const { authority } = app.place
    const fields = { settings: '['.repeat(10_000) }
    const refused = await app.post(`/console/authorities/${authority}/settings`, fields, { by: app.operator })
    expect(refused.text).toContain('nested deeper than 40 levels')
  })
})
