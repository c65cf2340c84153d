import { ConfigError, readConfig } from '../../src/config.ts'
import { readYaml } from '../../src/console/yaml.ts'
import { readFile } from '../../src/core/apply/applyFile.ts'
import { Failure } from '../../src/core/failure.ts'
import { compileCondition, evaluate } from '../../src/core/profile/condition.ts'
import { matchesPattern } from '../../src/core/profile/pattern.ts'
import { facts } from '../helpers/facts.ts'
import type { Target } from './fuzz.ts'
import { mutateText } from './mutateText.ts'

const text = (name: string, seeds: readonly string[], run: (input: string) => unknown): Target => ({
  name,
  seeds: seeds.map((seed) => Buffer.from(seed)),
  mutate: mutateText,
  run: async (input) => {
    try {
      await run(input.toString())
    } catch (error) {
      if (!(error instanceof Failure && error.code !== 'internal') && !(error instanceof ConfigError)) throw error
    }
  },
})

const SETTINGS = `listen: 0.0.0.0
httpsPort: 443
baseUrl: https://ca.example.org
trustedProxies: [10.0.0.7, "2001:db8::/32"]
identities: { sessionIdle: 30m, loginAuthorities: [issuing] }
oidc: { issuer: https://id.example.org, clientId: a, roles: { admins: administrator }, provision: { organization: default } }
overload: { requests: 10, stopDelay: 5s }
validation: { resolver: 10.0.0.53, networks: [private, "!10.0.9.0/24"] }
`

const CONDITIONS = [
  'true',
  'names.all(name, name.endsWith(".example.org")) && size(names) < 5',
  'glob(subject, "CN=*") || re(requester, "^a+$")',
  'ips.exists(ip, inNetwork(ip, "10.0.0.0/8")) ? days > 90 : certificateType == "server"',
  '[1, 2, 3].map(x, x * 2).filter(x, x > 2).size() == 2 && {"a": 1}["a"] == 1',
  'duration("1h") < duration("90m") && timestamp("2026-01-01T00:00:00Z").getHours() == 0',
]

const APPLY = `kind: profile
name: web
authority: issuing
settings:
  certificate: { type: server, validity: 90d }
---
kind: user
name: alice
`

/** What people write: settings, conditions of rules, files of objects. */
export function textTargets(): Target[] {
  const about = facts()
  return [
    text('config', [SETTINGS, 'a: &a [1]\nb: *a\n'], (input) => readConfig({ env: {}, readFile: () => input })),
    text('condition', CONDITIONS, (input) => evaluate(compileCondition(input), about)),
    text('apply-file', [APPLY], readFile),
    text('yaml', [SETTINGS, APPLY], readYaml),
    text('pattern', ['*.example.org\nwww.example.org', '**\n', 'a?c\nabc'], (input) => {
      const [pattern = '', ...rest] = input.split('\n')
      matchesPattern(pattern, rest.join('\n'))
    }),
  ]
}
