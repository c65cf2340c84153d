import { describe, expect, test } from 'vitest'
import { ConfigError, type ConfigSources, readConfig } from '../../src/config.ts'

const DEFAULT_FILE = `${process.cwd()}/data/countersign.yaml`

/** `files` by path; what is not there does not exist. */
function read(env: Record<string, string> = {}, files: Record<string, string> = {}, more: Partial<ConfigSources> = {}) {
  const readFile = (path: string) => {
    const text = files[path]
    if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
    return text
  }
  return readConfig({ env, readFile, ...more })
}

function complaint(...given: Parameters<typeof read>): string {
  try {
    read(...given)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  throw new Error('it was accepted')
}

describe('how people and programs log in', () => {
  const file = (text: string) => ({ [DEFAULT_FILE]: text })
  const least = 'oidc:\n  issuer: https://id.example.org\n  clientId: countersign\n'

  test('sessions, tokens, authorities whose certificates log in', () => {
    const text =
      'identities:\n  sessionIdle: 10m\n  sessionLength: 8h\n  longestToken: 90d\n  loginAuthorities: [issuing]\n'
    expect(read({}, file(text)).identity).toEqual({
      sessionIdle: 600_000,
      sessionLength: 28_800_000,
      longestToken: 7_776_000_000,
      loginAuthorities: ['issuing'],
    })
    expect(complaint({}, file('identities:\n  sessionIdle: soon\n'))).toMatch(/identities\.sessionIdle.*length of time/)
  })

  test('an OpenID provider, its secret by the environment', () => {
    expect(read({}, file(least)).oidc).toEqual({
      issuer: 'https://id.example.org',
      clientId: 'countersign',
      scopes: ['openid', 'profile'],
      tokenTypes: ['at+jwt'],
      nameClaim: 'preferred_username',
      roles: {},
      organizations: {},
    })
    const more = `${least}  audience: api\n  rolesClaim: groups\n  roles: { pki: approvers }\n  provision: { organization: default }\n`
    expect(read({ COUNTERSIGN_OIDC_CLIENT_SECRET: 'sesame' }, file(more)).oidc).toMatchObject({
      clientSecret: 'sesame',
      audience: 'api',
      roles: { pki: 'approvers' },
      provision: { organization: 'default', roles: [] },
    })
    expect(read().oidc).toBeUndefined()
  })

  test.each([
    [
      'a secret in the file',
      `${least}  clientSecret: sesame\n`,
      /oidc\.clientSecret.*COUNTERSIGN_OIDC_CLIENT_SECRET only/,
    ],
    ['plain http elsewhere', least.replace('https', 'http'), /oidc\.issuer.*https/],
    ['no client', 'oidc:\n  issuer: https://id.example.org\n', /oidc\.clientId/],
    ['an audience that ID tokens have', `${least}  audience: countersign\n`, /oidc\.audience.*client id/],
    ['no openid', `${least}  scopes: [profile]\n`, /oidc\.scopes.*openid/],
    ['roles that are no texts', `${least}  roles: { pki: 7 }\n`, /oidc\.roles.*texts/],
    ['what there is not', `${least}  audiences: [api]\n`, /oidc\.audiences.*no such setting/],
  ])('%s is refused', (_, text, what) => {
    const said = complaint({}, file(text))
    expect(said).toMatch(what)
    expect(said).not.toContain('sesame')
  })
})
