import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose'
import Provider from 'oidc-provider'

/** Another's OpenID provider on loopback, with whatever log-in name a test types as the subject. */
export interface TestedProvider {
  issuer: string
  clientId: string
  clientSecret: string
  /** Walks through its pages, as a browser would, and answers where it sends the person in the end. */
  logIn(url: string, name: string): Promise<URL>
  /** An access token for a program (client credentials, RFC 8707 resource indicator). */
  tokenFor(resource: string): Promise<string>
  close(): Promise<void>
}

export const audience = 'https://countersign.test/api'

export async function startProvider(redirectUri: string): Promise<TestedProvider> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const [clientId, clientSecret] = ['countersign', 'a secret: of/the client']
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: [redirectUri],
        grant_types: ['authorization_code'],
      },
      {
        client_id: 'robot',
        client_secret: 'robots-secret',
        redirect_uris: [],
        response_types: [],
        grant_types: ['client_credentials'],
      },
    ],
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'first', alg: 'RS256', use: 'sig' }] },
    conformIdTokenClaims: false,
    claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
    findAccount: (_context, id) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, groups: id === 'olga' ? ['pki'] : [] }),
    }),
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource) => ({
          scope: '',
          audience: resource,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  })
  provider.on('server_error', (_context, error) => console.error(error))
  server.on('request', provider.callback())
  return {
    issuer,
    clientId,
    clientSecret,
    logIn: (url, name) => walk(url, name, redirectUri),
    tokenFor: (resource) => robotToken(issuer, resource),
    close: () => closed(server),
  }
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}

async function robotToken(issuer: string, resource: string): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from('robot:robots-secret').toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource }),
  })
  const { access_token } = (await response.json()) as { access_token: string }
  return access_token
}

/** The pages of its development interactions: a form to log in, then one to consent. */
async function walk(begin: string, name: string, end: string): Promise<URL> {
  const cookies = new Map<string, string>()
  let next: { url: string; body?: URLSearchParams } = { url: begin }
  for (let step = 0; step < 12; step++) {
    const response = await fetch(next.url, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([key, value]) => `${key}=${value}`).join('; ') },
      ...(next.body ? { method: 'POST', body: next.body } : {}),
    })
    for (const text of response.headers.getSetCookie()) {
      const [, key = '', value = ''] = /^([^=]+)=([^;]*)/.exec(text) ?? []
      cookies.set(key, value)
    }
    const location = response.headers.get('location')
    if (location !== null) {
      const url = new URL(location, next.url)
      if (url.href.startsWith(end)) return url
      next = { url: url.href }
      continue
    }
    const page = await response.text()
    const action = /<form[^>]*action="([^"]+)"/.exec(page)?.[1]
    const prompt = /name="prompt" value="(\w+)"/.exec(page)?.[1]
    if (action === undefined || prompt === undefined) throw new Error(`a page without a form: ${page.slice(0, 300)}`)
    const login = prompt === 'login' ? { login: name, password: 'any' } : {}
    next = { url: new URL(action, next.url).href, body: new URLSearchParams({ prompt, ...login }) }
  }
  throw new Error('the provider sends around in circles')
}

/** A provider of a test's own making: whatever keys it shows, whatever tokens it signs, and how often it was asked. */
export interface ForgingProvider {
  issuer: string
  keys: JWK[]
  asked: { metadata: number; keys: number }
  /** Said in place of what its metadata say otherwise. */
  elsewhere: Record<string, string>
  /** What /token answers. */
  answer: (form: URLSearchParams) => unknown
  addKey(kid: string, alg?: string): Promise<CryptoKey>
  close(): Promise<void>
}

export async function startForger(): Promise<ForgingProvider> {
  const keys: JWK[] = []
  const asked = { metadata: 0, keys: 0 }
  const forger: Pick<ForgingProvider, 'answer' | 'elsewhere'> = { answer: () => ({}), elsewhere: {} }
  const server = createServer(async (incoming, outgoing) => {
    const parts: Buffer[] = []
    for await (const part of incoming) parts.push(part as Buffer)
    const send = (body: unknown) => outgoing.setHeader('content-type', 'application/json').end(JSON.stringify(body))
    if (incoming.url === '/jwks') {
      asked.keys++
      send({ keys })
    } else if (incoming.url === '/token') send(forger.answer(new URLSearchParams(Buffer.concat(parts).toString())))
    else {
      asked.metadata++
      const [authorization_endpoint, token_endpoint, jwks_uri] = ['auth', 'token', 'jwks'].map(
        (path) => `${issuer}/${path}`,
      )
      send({ issuer, authorization_endpoint, token_endpoint, jwks_uri, ...forger.elsewhere })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return Object.assign(forger, {
    issuer,
    keys,
    asked,
    addKey: async (kid: string, alg = 'ES256') => {
      const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
      keys.push({ ...(await exportJWK(publicKey)), kid, alg, use: 'sig' })
      return privateKey
    },
    close: () => closed(server),
  })
}

/** A JWT signed by a key. */
export function signed(
  claims: JWTPayload,
  { key, ...header }: { key: CryptoKey | Uint8Array; alg?: string; kid?: string; typ?: string },
): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', ...header }).sign(key)
}
