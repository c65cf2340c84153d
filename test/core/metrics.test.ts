import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyPassword } from '../../src/core/login/login.ts'
import { guarded } from '../../src/core/login/loginGuard.ts'
import type { SignDraft } from '../../src/core/request/request.ts'
import { closeDatabase } from '../../src/db/open.ts'
import { tallies, tally } from '../../src/db/tally.ts'
import { transaction } from '../../src/db/transaction.ts'
import { createMetrics } from '../../src/metrics.ts'
import { countLifetimes } from '../../src/telemetry/lifetimeMetrics.ts'
import { exposeState } from '../../src/telemetry/stateMetrics.ts'
import { exposeTallies, NAMED_PROFILES } from '../../src/telemetry/talliedMetrics.ts'
import { databases } from '../helpers/databases.ts'
import { statusOf } from '../helpers/ocspAnswer.ts'
import { ocspWorld } from '../helpers/ocspWorld.ts'
import { acmeAccount, createWorld, newCsr, type World } from '../helpers/world.ts'

/** Samples by their text, as a scrape shows them. */
async function scrape(world: World): Promise<Map<string, number>> {
  const metrics = createMetrics()
  exposeTallies(metrics, world.it.db)
  exposeState(metrics, world.it)
  countLifetimes(metrics, world.it)
  const lines = (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]))
}

describe.each(databases)('metrics on $name', ({ open }) => {
  let world: World
  let opened: Awaited<ReturnType<typeof open>>
  let to: ReturnType<typeof ocspWorld>

  beforeAll(async () => {
    opened = await open()
    world = await createWorld(opened.db)
    to = ocspWorld(world)
  })
  afterAll(() => opened.close())

  const order = async (profileName: string, names: string[], more: Partial<SignDraft> = {}) => {
    const csr = await newCsr(names)
    const profile = await world.profile(profileName)
    const drawn = { profile, protocol: 'acme', action: 'issue', refusal: 'throw', csr, ...more } as const
    return world.core.as(acmeAccount()).sign({ identifiers: csr.identifiers, validated: csr.identifiers, ...drawn })
  }
  const orders = (profile: string, outcome: string) =>
    `sign_requests_total{protocol="acme",profile="${profile}",action="issue",outcome="${outcome}"}`

  test('an order counts with its commit, by what becomes of it, and its stages take time', async () => {
    await to.issue('counted.example.org')
    await order('default', ['waits.example.org'], { validated: [] })
    await world.save('narrow', { settings: { certificate: { names: { dns: ['*.only.example'] } } } })
    await expect(order('narrow', ['elsewhere.example'])).rejects.toThrow()
    const seen = await scrape(world)
    expect(seen.get(orders('default', 'asked'))).toBe(2)
    expect(seen.get(orders('default', 'passed'))).toBe(1)
    expect(seen.get(orders('default', 'signed'))).toBe(1)
    expect(seen.get(orders('default', 'waiting'))).toBe(1)
    expect(seen.get(orders('narrow', 'refused'))).toBe(1)
    expect(seen.get(orders('narrow', 'asked'))).toBe(undefined)
    expect(seen.get('requests_waiting{kind="sign",status="requested"}')).toBe(1)
    expect(seen.get('stage_duration_seconds_count{stage="policy",protocol="acme"}')).toBe(3)
    expect(seen.get('stage_duration_seconds_count{stage="store",protocol="acme"}')).toBe(1)
    expect(seen.get('stage_duration_seconds_sum{stage="sign",protocol="acme"}')).toBeGreaterThan(0)
    expect(seen.get('stage_duration_seconds_bucket{stage="sign",protocol="acme",le="+Inf"}')).toBe(1)
    expect(seen.get('alerts_open{kind="policy_refusal"}')).toBe(1)
    expect(seen.get('certificates_expiring{days="90"}')).toBeGreaterThanOrEqual(0)
    expect(seen.get('metrics_unread')).toBe(0)
  })

  test('what is decided later counts with how long it had waited', async () => {
    const { request } = await order('default', ['later.example.org'], { validated: [] })
    world.time.pass(7_200_000)
    await world.core.as(acmeAccount()).approvals.cancel('sign', request.id, 'not needed')
    const seen = await scrape(world)
    expect(seen.get(orders('default', 'canceled'))).toBe(1)
    expect(seen.get('approval_wait_seconds_sum{protocol="acme",outcome="canceled"}')).toBe(7_200)
    expect(seen.get('approval_wait_seconds_bucket{protocol="acme",outcome="canceled",le="3600"}')).toBe(0)
    expect(seen.get('approval_wait_seconds_bucket{protocol="acme",outcome="canceled",le="14400"}')).toBe(1)
  })

  test('revocations by reason; OCSP answers by what they say and whether they were kept', async () => {
    const certificate = await to.issue('revoked.example.org')
    const issuer = await to.issuerOf('issuing')
    await statusOf(world, issuer, certificate.serial)
    await statusOf(world, issuer, certificate.serial)
    await to.revoke(certificate)
    await statusOf(world, issuer, certificate.serial)
    await world.core.as(acmeAccount()).ocsp({ text: 'nothing', der: () => Buffer.from('nothing') })
    const seen = await scrape(world)
    const revocations = 'revoke_requests_total{protocol="acme",profile="default",reason="superseded",outcome='
    expect(seen.get(`${revocations}"asked"}`)).toBe(1)
    expect(seen.get(`${revocations}"revoked"}`)).toBe(1)
    expect(seen.get('ocsp_answers_total{says="good",made="fresh"}')).toBe(1)
    expect(seen.get('ocsp_answers_total{says="good",made="kept"}')).toBe(1)
    expect(seen.get('ocsp_answers_total{says="revoked",made="fresh"}')).toBe(1)
    expect(seen.get('ocsp_answers_total{says="malformedRequest",made="fresh"}')).toBe(1)
  })

  test('logins that were refused, and those that were not looked at', async () => {
    const wrong = () =>
      guarded(world.it, { name: 'admin', source: '192.0.2.77' }, () => verifyPassword(opened.db, 'admin', 'wrong'))
    for (let at = 0; at < 10; at++) expect(await wrong()).toBe(undefined)
    await expect(wrong()).rejects.toMatchObject({ code: 'rateLimited' })
    const seen = await scrape(world)
    expect(seen.get('logins_total{outcome="refused"}')).toBe(10)
    expect(seen.get('logins_total{outcome="limited"}')).toBe(1)
  })

  test('what was rolled back is not counted', async () => {
    const fails = transaction(opened.db, async (db) => {
      tally(db, 'never')
      throw new Error('no')
    })
    await expect(fails).rejects.toThrow('no')
    expect(tallies(opened.db).tallies.get('never')).toBe(undefined)
    await transaction(opened.db, async (db) => tally(db, 'now'))
    expect(tallies(opened.db).tallies.get('now')).toBe(1)
  })

  test('profiles beyond the bound are one', async () => {
    for (let at = 0; at < NAMED_PROFILES + 5; at++)
      tally(opened.db, ['sign_request', 'acme', String(9_000 + at), 'issue', 'asked'].join('\u001f'))
    const profiles = new Set(
      [...(await scrape(world)).keys()].flatMap(
        (key) => /^sign_requests_total\{.*profile="([^"]*)"/.exec(key)?.[1] ?? [],
      ),
    )
    expect(profiles).toContain('other')
    expect(profiles).toContain('default')
    expect(profiles.size).toBeLessThanOrEqual(NAMED_PROFILES + 2)
  })

  test('a database that is away takes no other figure with it', async () => {
    const away = await open()
    const alone = await createWorld(away.db)
    const metrics = createMetrics()
    exposeTallies(metrics, away.db)
    exposeState(metrics, alone.it)
    await closeDatabase(away.db)
    const text = await metrics.text()
    expect(text).toMatch(/^process_cpu_seconds_total /m)
    expect(text).toMatch(/^metrics_unread [1-9]/m)
    expect(text).not.toMatch(/^jobs_waiting\{/m)
    await away.close()
  })

  test('connections are shown where there are some', async () => {
    const seen = await scrape(world)
    expect(seen.has('database_connections{state="waiting"}')).toBe(true)
    expect(seen.get('database_statement_seconds_total')).toBeGreaterThan(0)
    expect(seen.get('database_commit_duration_seconds_count')).toBe(seen.get('database_commits_total'))
  })
})
