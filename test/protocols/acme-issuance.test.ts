import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { statementCount } from '../../src/db/open.ts'
import { type AcmeApp, createAcmeApp } from '../helpers/acmeApp.ts'
import { databases } from '../helpers/databases.ts'
import { newCsr } from '../helpers/world.ts'

/** What one name may cost; PostgreSQL has a transaction more for each nonce, and asks for what SQLite keeps, the authority's version at the download among it. Fewer are better: lower these then. */
const budget = { sqlite: { statements: 19, commits: 4 }, postgres: { statements: 34, commits: 10 } }

describe.each(databases)('ACME issuance on $name', ({ name, open }) => {
  let opened: Awaited<ReturnType<typeof open>>
  let acme: AcmeApp
  beforeAll(async () => {
    opened = await open()
    acme = await createAcmeApp(opened.db)
  })
  afterAll(async () => {
    await acme.close()
    await opened.close()
  })

  it('goes from newOrder to the chain in five signed requests (RFC 8555 section 7.4)', async () => {
    const client = await acme.client()
    acme.serveChallenges(client)
    const order = await client.order(['one.localhost', 'two.localhost'])
    expect(order.status).toBe('pending')
    const answers = await client.answer(order, 'http-01')
    expect(answers.map(({ json }) => json.status)).toEqual(['valid', 'valid'])
    const done = await client.finalize(order, (await newCsr(['two.localhost', 'one.localhost'])).der)
    expect(done.json).toMatchObject({ status: 'valid', identifiers: order.identifiers })
    const { status, headers, text } = await client.post(String(done.json.certificate))
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('application/pem-certificate-chain')
    const [leaf, issuer, ...rest] = text
      .split(/(?<=-----END CERTIFICATE-----\n)/)
      .map((pem) => new X509Certificate(pem))
    expect(rest).toEqual([])
    expect(leaf?.subjectAltName).toBe('DNS:one.localhost, DNS:two.localhost')
    expect(issuer && leaf?.verify(issuer.publicKey)).toBe(true)
  })

  it('costs no more statements and commits than it has to', async () => {
    const { client } = await acme.ready(['warm.localhost'])
    const csr = (await newCsr(['cheap.localhost'])).der
    const { statements, commits } = statementCount(acme.host.db)
    const order = await client.order(['cheap.localhost'])
    await client.answer(order, 'http-01')
    const done = await client.finalize(order, csr)
    expect((await client.post(String(done.json.certificate))).status).toBe(200)
    const after = statementCount(acme.host.db)
    expect(after.statements - statements).toBeLessThanOrEqual(budget[name].statements)
    expect(after.commits - commits).toBeLessThanOrEqual(budget[name].commits)
  })
})
