import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { loadAuthority } from '../../src/core/authority/authority.ts'
import { createAuthority } from '../../src/core/authority/authorityAdmin.ts'
import { system } from '../../src/core/requester.ts'
import { useAcme } from '../helpers/acmeApp.ts'
import { expectProblem } from '../helpers/acmeAssert.ts'
import { openSqlite } from '../helpers/databases.ts'
import { newCsr } from '../helpers/world.ts'

describe('ACME certificates (RFC 8555 section 7.4.2)', () => {
  const acme = useAcme(openSqlite)

  async function issued(profile = 'default') {
    const { client, order } = await acme.app.ready(['cert.localhost'], { profile })
    const done = await client.finalize(order, (await newCsr(['cert.localhost'])).der)
    return { client, url: String(done.json.certificate) }
  }

  it('wire 39: the chain is leaf first, LF only, without other text, and without the root', async () => {
    const { client, url } = await issued()
    const { status, headers, text } = await client.post(url)
    expect(status).toBe(200)
    expect(headers.get('content-type')).toBe('application/pem-certificate-chain')
    expect(headers.get('link')).not.toContain('rel="up"')
    expect(text).toMatch(/^(-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=]{1,64}\n)+-----END CERTIFICATE-----\n){2}$/)
    const [leaf, issuer] = text.split(/(?<=-----END CERTIFICATE-----\n)/).map((pem) => new X509Certificate(pem))
    expect(leaf?.subjectAltName).toBe('DNS:cert.localhost')
    expect(issuer?.subject).not.toBe(issuer?.issuer)
    expect(issuer && leaf?.checkIssued(issuer)).toBe(true)
  })

  it('wire 39: where the root signs itself, it comes along, since some clients need two', async () => {
    const { it: installation, profile, save } = acme.app.world
    const { organizationId } = await profile()
    const ownerId = null
    const draft = {
      name: 'lone',
      key: 'P-256',
      subject: 'CN=Lone Root',
      validity: 86_400_000 * 365,
      organizationId,
      ownerId,
    } as const
    await createAuthority(installation, system('test'), draft)
    await save('lone', { authority: (await loadAuthority(installation, 'lone')).id })
    const { client, url } = await issued('lone')
    const { text } = await client.post(url)
    const [leaf, root, ...rest] = text.split(/(?<=-----END CERTIFICATE-----\n)/).map((pem) => new X509Certificate(pem))
    expect(rest).toEqual([])
    expect(root?.subject).toBe('CN=Lone Root')
    expect(root && leaf?.verify(root.publicKey)).toBe(true)
  })

  it('wire 20, 36 and 37: read by POST-as-GET, by the account that ordered it', async () => {
    const { client, url } = await issued()
    expectProblem(await client.post(url, {}), 400, 'malformed', /POST-as-GET/)
    const other = await acme.app.client()
    expectProblem(await other.post(url), 404, 'malformed')
    expectProblem(await client.post(url.replace(/.$/, 'x')), 404, 'malformed')
    const missing = url.replace(/[0-9a-f-]{36}$/, '01890000-0000-7000-8000-000000000000')
    expectProblem(await client.post(missing), 404, 'malformed')
  })
})
