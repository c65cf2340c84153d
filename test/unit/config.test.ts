import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { baseUrlsOf } from '../../src/config/baseUrls.ts'
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

describe('without any configuration', () => {
  test('it listens on loopback, which challenges may reach then', () => {
    expect(read()).toEqual({
      dataFolder: `${process.cwd()}/data`,
      listen: { address: '127.0.0.1', httpsPort: 8443, mtlsPort: 9443, httpPort: 8080 },
      baseUrls: {},
      validation: { resolverValidates: true, http01Port: 80, tlsAlpn01Port: 443, networks: 'public,private,loopback' },
      trustedProxies: [],
      identity: { sessionIdle: 1_800_000, sessionLength: 43_200_000, loginAuthorities: [] },
      metricsNetworks: ['127.0.0.0/8', '::1'],
      overload: {
        requests: 1000,
        requestsPerAddress: 100,
        connections: 4000,
        connectionsPerAddress: 500,
        bodies: 256,
        stopDelay: 0,
        drainTime: 10_000,
      },
      logLevel: 'info',
      accessLog: true,
    })
  })

  test('URLs name localhost', () => {
    expect(baseUrlsOf(read())).toEqual({
      baseUrl: 'https://localhost:8443',
      mtlsBaseUrl: 'https://localhost:9443',
      httpBaseUrl: 'http://localhost:8080',
    })
  })
})

describe('where CRLs go beside HTTP', () => {
  test('a folder, a command with its arguments, or both', () => {
    expect(read().publication).toBeUndefined()
    expect(read({ COUNTERSIGN_CRL_FOLDER: '/srv/crl/' }).publication).toEqual({ folder: '/srv/crl/' })
    expect(read({ COUNTERSIGN_CRL_COMMAND: '/usr/bin/put  --quiet x' }).publication).toEqual({
      command: ['/usr/bin/put', '--quiet', 'x'],
    })
    const files = { [DEFAULT_FILE]: 'crlFolder: /srv/crl\ncrlCommand: [/usr/bin/put, "two words"]\n' }
    expect(read({}, files).publication).toEqual({ folder: '/srv/crl', command: ['/usr/bin/put', 'two words'] })
  })

  test.each([
    ['COUNTERSIGN_CRL_FOLDER', 'crl'],
    ['COUNTERSIGN_CRL_COMMAND', 'put x'],
    ['COUNTERSIGN_CRL_COMMAND', ' '],
  ])('%s=%j is refused', (name, value) => {
    expect(complaint({ [name]: value })).toMatch(new RegExp(`^${name}: must be .*absolute path`))
  })
})

describe('where settings come from', () => {
  const files = {
    [DEFAULT_FILE]: 'httpsPort: 1443\nhttpPort: 1080\nvalidation:\n  http01Port: 1\n  resolver: 10.0.0.53\n',
  }

  test('the file in the data folder is read when it is there', () => {
    expect(read({}, files).listen).toMatchObject({ httpsPort: 1443, httpPort: 1080, mtlsPort: 9443 })
  })

  test('the environment goes before the file, setting by setting', () => {
    const config = read({ COUNTERSIGN_HTTP_PORT: '0', COUNTERSIGN_HTTP01_PORT: '5002' }, files)
    expect(config.listen).toMatchObject({ httpsPort: 1443, httpPort: 0 })
    expect(config.validation).toMatchObject({ http01Port: 5002, resolver: '10.0.0.53' })
  })

  test('an empty variable counts as absent', () => {
    expect(read({ COUNTERSIGN_HTTPS_PORT: '', DATABASE_URL: '' }, files).listen.httpsPort).toBe(1443)
  })

  test('flags go before the environment', () => {
    const config = read(
      { COUNTERSIGN_DATA: '/a', COUNTERSIGN_CONFIG: '/a.yaml' },
      { '/b.yaml': 'listen: ::1' },
      { argv: ['--data', '/b', '--config=/b.yaml'] },
    )
    expect(config).toMatchObject({ dataFolder: '/b', listen: { address: '::1' } })
  })

  test('an empty file and a file of comments set nothing', () => {
    expect(read({}, { [DEFAULT_FILE]: '' })).toEqual(read())
    expect(read({}, { [DEFAULT_FILE]: '# nothing\n' })).toEqual(read())
  })

  test('lists are sequences in the file and text in the environment', () => {
    const file = {
      [DEFAULT_FILE]: 'trustedProxies: [10.0.0.1, "2001:db8::/32"]\nvalidation: { networks: [public, "!10.0.0.5"] }',
    }
    expect(read({}, file)).toMatchObject({
      trustedProxies: ['10.0.0.1', '2001:db8::/32'],
      validation: { networks: 'public,!10.0.0.5' },
    })
    expect(read({ COUNTERSIGN_TRUSTED_PROXIES: '10.0.0.1, 2001:db8::/32' }).trustedProxies).toEqual([
      '10.0.0.1',
      '2001:db8::/32',
    ])
  })
})

describe('loopback is not validated by default when others can ask', () => {
  test.each([
    ['it listens elsewhere', { COUNTERSIGN_LISTEN: '0.0.0.0' }],
    ['it listens on all addresses', { COUNTERSIGN_LISTEN: '::' }],
    ['a proxy is trusted', { COUNTERSIGN_TRUSTED_PROXIES: '127.0.0.1' }],
    ['it is known under another name', { COUNTERSIGN_BASE_URL: 'https://ca.example.org' }],
  ])('%s', (_, env) => {
    expect(read(env).validation.networks).toBe('public,private')
  })

  test('unless it is named', () => {
    const env = { COUNTERSIGN_LISTEN: '0.0.0.0', COUNTERSIGN_VALIDATION_NETWORKS: 'loopback 10.0.0.0/8' }
    expect(read(env).validation.networks).toBe('loopback,10.0.0.0/8')
  })

  test('names under localhost are loopback', () => {
    expect(read({ COUNTERSIGN_BASE_URL: 'https://ra.localhost:1' }).validation.networks).toContain('loopback')
  })
})

describe('base URLs', () => {
  test('ports that the system chose are known after listening', () => {
    const config = read({ COUNTERSIGN_HTTPS_PORT: '0', COUNTERSIGN_LISTEN: '192.0.2.1' })
    expect(baseUrlsOf(config, { httpsPort: 40_001 }).baseUrl).toBe('https://192.0.2.1:40001')
  })

  test('configured ones stay, without a trailing slash', () => {
    const config = read({
      COUNTERSIGN_BASE_URL: 'https://CA.example.org/',
      COUNTERSIGN_HTTP_BASE_URL: 'http://crl.example.org:80',
    })
    expect(baseUrlsOf(config)).toMatchObject({
      baseUrl: 'https://ca.example.org',
      httpBaseUrl: 'http://crl.example.org',
    })
  })

  test('usual ports are left out, IPv6 addresses have brackets', () => {
    const config = read({
      COUNTERSIGN_LISTEN: '2001:db8::1',
      COUNTERSIGN_HTTPS_PORT: '443',
      COUNTERSIGN_HTTP_PORT: '80',
    })
    expect(baseUrlsOf(config)).toMatchObject({ baseUrl: 'https://[2001:db8::1]', httpBaseUrl: 'http://[2001:db8::1]' })
  })
})

describe('refusals name the setting and what is wrong with it', () => {
  test.each([
    ['COUNTERSIGN_HTTPS_PORT', '65536', 'must be a port number, 0 to 65535'],
    ['COUNTERSIGN_HTTP_PORT', '80a', 'must be a port number'],
    ['COUNTERSIGN_HTTP01_PORT', '0', 'must be a port number, 1 to 65535'],
    ['COUNTERSIGN_LISTEN', 'example.org', 'must be an IP address'],
    ['COUNTERSIGN_LISTEN', '127.1', 'must be an IP address'],
    ['COUNTERSIGN_BASE_URL', 'http://ca.example.org', 'must be https://host'],
    ['COUNTERSIGN_BASE_URL', 'https://ca.example.org/ra', 'without a path'],
    ['COUNTERSIGN_HTTP_BASE_URL', 'https://ca.example.org', 'must be http://host'],
    ['COUNTERSIGN_LOG_LEVEL', 'loud', 'must be one of fatal, error'],
    ['COUNTERSIGN_ACCESS_LOG', 'maybe', 'must be true or false'],
    ['COUNTERSIGN_TRUSTED_PROXIES', '10.0.0.0/33', 'must be addresses or networks'],
    ['COUNTERSIGN_METRICS_NETWORKS', 'everyone', 'must be addresses or networks'],
    ['COUNTERSIGN_VALIDATION_NETWORKS', '10.0.0.0/99', 'must be a list such as'],
    ['COUNTERSIGN_RESOLVER', 'ns.example.org', 'must be address or address:port'],
    ['COUNTERSIGN_RESOLVER', '10.0.0.53:0', 'must be address or address:port'],
    ['COUNTERSIGN_KEY_SECRET', 'short', '32 octets'],
    ['DATABASE_URL', 'mysql://user:password@host/db', 'must be postgres://'],
  ])('%s=%s', (variable, value, what) => {
    const message = complaint({ [variable]: value })
    expect(message).toMatch(new RegExp(`^${variable}: `))
    expect(message).toContain(what)
  })

  test('secrets are not repeated', () => {
    const message = complaint({ DATABASE_URL: 'mysql://u:hunter2@h/db', COUNTERSIGN_KEY_SECRET: 'tooshort' })
    expect(message).toContain('DATABASE_URL')
    expect(message).toContain('COUNTERSIGN_KEY_SECRET')
    expect(message).not.toMatch(/hunter2|tooshort/)
  })

  test('unknown variables, all at once', () => {
    expect(complaint({ COUNTERSIGN_HTTPSPORT: '1', COUNTERSIGN_PORT: '8443' })).toBe(
      'COUNTERSIGN_HTTPSPORT: there is no such setting\nCOUNTERSIGN_PORT: there is no such setting',
    )
  })

  test('unknown keys of the file', () => {
    const message = complaint({}, { [DEFAULT_FILE]: 'port: 1\nvalidation: { dns: 1.1.1.1 }' })
    expect(message).toContain(`port in ${DEFAULT_FILE}: there is no such setting`)
    expect(message).toContain(`validation.dns in ${DEFAULT_FILE}: there is no such setting`)
  })

  test('a wrong value of the file', () => {
    expect(complaint({}, { [DEFAULT_FILE]: 'httpPort: -1' })).toBe(
      `httpPort in ${DEFAULT_FILE}: must be a port number, 0 to 65535`,
    )
  })

  test('a secret in the file', () => {
    expect(complaint({}, { [DEFAULT_FILE]: 'keySecret: hunter2hunter2' })).toContain('COUNTERSIGN_KEY_SECRET only')
  })

  test('a file that was named and is not there', () => {
    expect(complaint({ COUNTERSIGN_CONFIG: '/none.yaml' })).toBe('/none.yaml: there is no such file')
  })

  test.each(['- a list', 'just text', '42', 'validation: 5'])('a file that holds no settings: %s', (text) => {
    expect(complaint({}, { [DEFAULT_FILE]: text })).toContain('must hold settings')
  })

  test('broken YAML, without repeating it', () => {
    const message = complaint({}, { [DEFAULT_FILE]: 'databaseUrl: "postgres://u:hunter2@h\nlisten: [' })
    expect(message).toContain(DEFAULT_FILE)
    expect(message).not.toContain('hunter2')
  })

  test('unknown flags', () => {
    expect(complaint({}, {}, { argv: ['--port', '1'] })).toContain('--port')
    expect(complaint({}, {}, { argv: ['serve'] })).toContain('serve')
  })
})

test('variables of others are left alone', () => {
  const links = {
    COUNTERSIGN_SERVICE_HOST: '10.0.0.1',
    COUNTERSIGN_PORT: 'tcp://10.0.0.1:8443',
    COUNTERSIGN_PORT_8443_TCP_ADDR: '10.0.0.1',
  }
  expect(read({ ...links, PATH: '/bin' })).toEqual(read())
  expect(read({ COUNTERSIGN_TOKEN: 'x' }, {}, { otherVariables: ['COUNTERSIGN_TOKEN'] })).toEqual(read())
})

test('whatever stands in the file, the answer is a configuration or a ConfigError', () => {
  const yaml = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc.constantFrom('a: &a [*a]', '*x', '__proto__: {listen: 1}', '!!binary x', 'a: &a\n<<: *a'),
  )
  fc.assert(
    fc.property(yaml, (text) => {
      try {
        read({}, { [DEFAULT_FILE]: text })
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError)
      }
    }),
    { numRuns: 500 },
  )
})

test('whatever stands in a variable, the answer is a configuration or a ConfigError that names it', () => {
  const variable = fc.constantFrom(
    'LISTEN',
    'HTTPS_PORT',
    'BASE_URL',
    'RESOLVER',
    'VALIDATION_NETWORKS',
    'TRUSTED_PROXIES',
    'KEY_SECRET',
  )
  fc.assert(
    fc.property(variable, fc.string({ unit: 'binary' }), (name, value) => {
      try {
        read({ [`COUNTERSIGN_${name}`]: value })
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError)
        expect(String(error)).toContain(`COUNTERSIGN_${name}: `)
      }
    }),
    { numRuns: 500 },
  )
})
