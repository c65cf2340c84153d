import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { compose } from '../../src/compose.ts'
import { identitiesSection, identityConfig, oidcSection } from '../../src/config/identityConfig.ts'

describe('an OpenID provider', () => {
  it.each([
    [undefined, '10.1.2.3', true],
    [undefined, '127.0.0.1', false],
    ['public', '10.1.2.3', false],
  ])('has its endpoints within the networks that are configured (%s): %s %s', async (networks, host, may) => {
    const dataFolder = mkdtempSync(join(tmpdir(), 'countersign-'))
    const yaml = { issuer: 'https://id.example.org', clientId: 'countersign', ...(networks ? { networks } : {}) }
    const { oidc } = identityConfig({ identities: identitiesSection.parse(undefined), oidc: oidcSection.parse(yaml) })
    const urls = { httpBaseUrl: 'http://ca.test', baseUrl: 'https://ca.test' }
    const made = await compose({ dataFolder, ...urls, ...(oidc ? { oidc } : {}) }, pino({ level: 'silent' }), () => {})
    expect(made.it.oidc?.reach?.(host)?.refusal(host) === undefined).toBe(may)
    await made.close()
    rmSync(dataFolder, { recursive: true, force: true })
  })
})

describe('the key-encryption key', () => {
  const log = pino({ level: 'silent' })
  let dataFolder: string

  beforeEach(() => {
    dataFolder = mkdtempSync(join(tmpdir(), 'countersign-'))
  })
  afterEach(() => rmSync(dataFolder, { recursive: true, force: true }))

  const open = (keySecret?: string) =>
    compose(
      { dataFolder, httpBaseUrl: 'http://ca.test', ...(keySecret === undefined ? {} : { keySecret }) },
      log,
      () => {},
    )

  it('is made at the first start, readable by nobody else, and is the same at the next', async () => {
    const first = await open()
    const secret = first.secretFor('a part')
    await first.close()
    expect(statSync(join(dataFolder, 'key.secret')).mode & 0o777).toBe(0o600)
    const second = await open()
    expect(second.secretFor('a part')).toEqual(secret)
    expect(second.secretFor('another part')).not.toEqual(secret)
    await second.close()
  })

  it('that is lost is not made anew beside a database that it sealed', async () => {
    await (await open()).close()
    rmSync(join(dataFolder, 'key.secret'))
    await expect(open()).rejects.toThrow(/is missing.*backup/)
    await expect(open()).rejects.toThrow(/is missing/)
  })

  it('that is another one is refused at the start', async () => {
    await (await open('a first long passphrase')).close()
    await expect(open('another long passphrase')).rejects.toThrow(/not the one/)
  })

  it('that is too short is refused', async () => {
    await expect(open('short')).rejects.toThrow(/too short/)
  })
})
