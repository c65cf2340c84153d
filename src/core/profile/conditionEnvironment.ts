import { Environment } from '@marcbachmann/cel-js'
import type { Facts } from '../approval/approval.ts'
import { glob, inNetwork, re } from './conditionFunctions.ts'

/** The library knows a type of ours by the constructor of its values. */
class Requester {
  declare kind: string
  declare ref: string
  declare name: string
}

class Identifier {
  declare type: string
  declare value: string
  declare validated: boolean
}

class Key {
  declare algorithm: string
  declare size: bigint
  declare curve: string
}

class Held {
  declare present: boolean
  declare serial: string
  declare sameNames: boolean
  declare ageDays: bigint
  declare daysLeft: bigint
}

/** `type` is a word of CEL itself, so this is what the variable is called inside. */
export const TYPE_VARIABLE = 'certificateType'

const variableTypes = {
  action: 'string',
  protocol: 'string',
  profile: 'string',
  variant: 'string',
  requester: 'Requester',
  source: 'string',
  identifiers: 'list<Identifier>',
  validated: 'bool',
  entitled: 'bool',
  subject: 'map<string, string>',
  key: 'Key',
  type: 'string',
  days: 'int',
  mustStaple: 'bool',
  certificate: 'Certificate',
  reason: 'string',
  grounds: 'string',
  capable: 'bool',
} as const satisfies Record<keyof Facts, string>

/** The names that conditions may use. */
export const variables: ReadonlySet<string> = new Set(Object.keys(variableTypes))

const limits = {
  maxAstNodes: 500,
  maxDepth: 30,
  maxListElements: 100,
  maxMapEntries: 1,
  maxCallArguments: 4,
}

function build(): Environment {
  const environment = new Environment({ limits })
    .registerType('Requester', { ctor: Requester, fields: { kind: 'string', ref: 'string', name: 'string' } })
    .registerType('Identifier', { ctor: Identifier, fields: { type: 'string', value: 'string', validated: 'bool' } })
    .registerType('Key', { ctor: Key, fields: { algorithm: 'string', size: 'int', curve: 'string' } })
    .registerType('Certificate', {
      ctor: Held,
      fields: { present: 'bool', serial: 'string', sameNames: 'bool', ageDays: 'int', daysLeft: 'int' },
    })
    .registerFunction('glob(string, string): bool', glob)
    .registerFunction('re(string, string): bool', re)
    .registerFunction('inNetwork(string, string): bool', inNetwork)
  for (const [name, type] of Object.entries(variableTypes)) {
    environment.registerVariable(name === 'type' ? TYPE_VARIABLE : name, type)
  }
  return environment
}

/** Types, variables and functions of a condition (docs/approval.md lists them for those who write rules). */
export const environment = build()

export type ConditionContext = Readonly<Record<string, unknown>>

/** Facts as CEL sees them: its integers are 64 bits wide (bigint here), and objects carry their type. */
export function conditionContext(facts: Facts): ConditionContext {
  const { key, certificate, requester } = facts
  return {
    ...facts,
    variant: facts.variant ?? '',
    [TYPE_VARIABLE]: facts.type,
    requester: Object.assign(new Requester(), requester),
    identifiers: facts.identifiers.map((identifier) => Object.assign(new Identifier(), identifier)),
    key: Object.assign(new Key(), { algorithm: key.algorithm, size: BigInt(key.size), curve: key.curve }),
    days: BigInt(facts.days),
    certificate: Object.assign(new Held(), certificate, {
      ageDays: BigInt(certificate.ageDays),
      daysLeft: BigInt(certificate.daysLeft),
    }),
  }
}
