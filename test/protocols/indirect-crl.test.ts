import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import type { Certificate } from '../../src/core/certificate.ts'
import { system } from '../../src/core/requester.ts'
import { createMetrics } from '../../src/metrics.ts'
import { readCrl } from '../../src/pki/crlReader.ts'
import { integer, seq } from '../../src/pki/der.ts'
import { nameText } from '../../src/pki/name.ts'
import { createCrlPublisher } from '../../src/reach/crlPublisher.ts'
import { countLifetimes } from '../../src/telemetry/lifetimeMetrics.ts'
import { crlWorld, day } from '../helpers/crlWorld.ts'
import { auto, useScepApp } from '../helpers/scepApp.ts'
import { device, leafOf } from '../helpers/scepClient.ts'

/** `issuing` hands over to `lists`: where the CRL of `lists` is found, over HTTP, SCEP, in a folder and in metrics. */
describe('the indirect CRL', () => {
  const scep = useScepApp()
  let id: number
  let bad: Certificate
  const serial = () => bad.serial
  beforeAll(async () => {
    const { world } = scep.app
    const { admin } = world.core.as(system('test'))
    const draft = { subject: 'CN=Lists', key: 'P-256', parent: 'root', validity: 30 * 365 * day } as const
    await admin.createAuthority({ name: 'lists', ...draft })
    await admin.changeAuthority('issuing', { settings: { crlIssuer: 'lists' } })
    id = (await loadAuthority(world.it, 'lists')).issuer?.id ?? 0
    await scep.app.save('fleet', {}, { rules: { issue: auto, renew: auto, rekey: auto, revoke: auto } })
    const crls = crlWorld(world)
    bad = await crls.issue('bad.example.org', { profile: await world.profile('fleet') })
    await crls.revoke(bad)
  })

  it('is served at the path that certificates name, with the headers of a CRL', async () => {
    const path = `/crl/lists/${id}/indirect.crl`
    const answer = await scep.app.ask(path)
    expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/pkix-crl'])
    const crl = readCrl(answer.body)
    expect(crl.entries.map(({ serial }) => serial)).toEqual([serial()])
    expect(crl.idp).toEqual({ urls: [`http://ca.test${path}`], indirect: true })
    expect(answer.headers.etag).toBe(`"${crl.number}"`)
    expect(await scep.app.ask(path, { headers: { 'if-none-match': `"${crl.number}"` } })).toMatchObject({ status: 304 })
    const head = await scep.app.ask(path, { method: 'HEAD' })
    expect([head.headers['content-length'], head.body.length]).toEqual([String(answer.body.length), 0])
  })

  it.each(['indirect-delta.crl', 'INDIRECT.crl', 'indirect', 'indirect0.crl', '-1.crl', '1.crl'])(
    'is not %s',
    async (name) => {
      expect(await scep.app.ask(`/crl/lists/${id}/${name}`)).toMatchObject({ status: 404 })
    },
  )

  it('is of that authority and that certificate of it alone', async () => {
    for (const path of [`/crl/issuing/${id}/indirect.crl`, '/crl/root/1/indirect.crl', '/crl/lists/1/indirect.crl'])
      expect(await scep.app.ask(path)).toMatchObject({ status: 404 })
  })

  it('answers GetCRL about a certificate that stands in it (RFC 8894 section 4.6)', async () => {
    const by = device('getcrl.example.org')
    const reply = await scep.app.enrol(by, { subject: { CN: 'getcrl.example.org' }, profile: 'fleet' })
    const leaf = leafOf(reply)
    const data = seq(leaf.issuerDer, integer(BigInt(`0x${leaf.serial}`)))
    const asked = await scep.app.send({ type: 'GetCRL', data, by, profile: 'fleet', transactionId: 'crl' })
    const [crl] = asked.crls.map(readCrl)
    expect(crl && [nameText(crl.issuer), crl.idp?.indirect]).toEqual(['CN=Lists', true])
  })

  it('lies in a folder, and has a metric', async () => {
    const { world } = scep.app
    const folder = mkdtempSync(join(tmpdir(), 'countersign-indirect-'))
    try {
      await createCrlPublisher(world.it, { folder, dataFolder: join(folder, 'data') }).run()
      const der = readFileSync(join(folder, 'lists', String(id), 'indirect.crl'))
      expect(readCrl(der).entries.map(({ serial }) => serial)).toEqual([serial()])
      // The name of an authority is that of its own list.
      expect(readCrl(readFileSync(join(folder, 'lists.crl'))).idp?.indirect).toBe(undefined)
      expect(existsSync(join(folder, 'issuing', String(id)))).toBe(false)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
    const metrics = createMetrics()
    countLifetimes(metrics, world.it)
    expect(await metrics.text()).toMatch(
      new RegExp(
        `^crl_next_update_timestamp_seconds{authority="lists",certificate="${id}",shard="indirect",delta="false"} \\d{10}`,
        'm',
      ),
    )
  })
})
