import { describe, expect, it } from 'vitest'
import { asRequester } from '../../src/core/identity/identity.ts'
import { BASE, useAlpaconApp } from '../helpers/alpaconApp.ts'

const used = useAlpaconApp()
const ALL = `${BASE}/authorities/`
const DRAFT = { root_valid_days: 3650, default_valid_days: 365, max_valid_days: 730 }

describe('authority update', () => {
  it('puts back no rules that were changed at the same moment', async () => {
    const { app } = used
    const door = app.world.core.as(asRequester(app.admin))
    const { id } = (await app.call('POST', ALL, { by: app.admin, body: { ...DRAFT, name: 'raced' } })).json
    const profile = (await door.raProfiles.list()).find(({ name }) => name === 'raced')
    for (let round = 1; round <= 10; round++) {
      const rules = { issue: [{ name: `round ${round}`, auto: true }] }
      const [changed] = await Promise.all([
        app.call('PATCH', `${ALL}${id}/`, { by: app.admin, body: { max_valid_days: 700 + round } }),
        door.raProfiles.change(profile?.uuid ?? '', () => ({ rules })),
      ])
      expect(changed.status).toBe(200)
      const now = await door.raProfiles.find(profile?.uuid ?? '')
      expect(now.rules).toMatchObject(rules)
      expect(now.settings).toMatchObject({ certificate: { validity: { max: `${700 + round}d` } } })
    }
  })

  it('with an owner whom nobody knows changes nothing', async () => {
    const { app } = used
    const made = await app.call('POST', ALL, { by: app.admin, body: { ...DRAFT, name: 'unowned' } })
    const path = `${ALL}${made.json.id}/`
    const body = { owner: 'nobody', max_valid_days: 500 }
    expect((await app.call('PATCH', path, { by: app.admin, body })).status).toBe(404)
    expect((await app.call('GET', path, { by: app.admin })).json.max_valid_days).toBe(730)
  })
})
