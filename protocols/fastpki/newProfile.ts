import { Failure } from '../../src/core/failure.ts'
import type { Database } from '../../src/db/open.ts'
import type { Call } from './operation.ts'

/** What the contract gives without asking: who has create_cert gets what he orders, who has revoke_cert has it revoked. An administrator may write other rules. */
const mayOrder = [
  {
    name: 'who may order over FastPKI',
    when: 'protocol == "fastpki" && requester.kind in ["user", "token"]',
    auto: true,
  },
]
const rules = {
  issue: mayOrder,
  renew: mayOrder,
  rekey: mayOrder,
  revoke: [
    { name: 'the own certificate', when: 'grounds in ["account", "names", "key"]', auto: true },
    { name: 'users who may revoke', when: 'grounds == "user" && capable', auto: true },
  ],
  export: [],
}

const email = ['**']
const settings = {
  certificate: {
    type: 'server',
    validity: { default: '365d', max: '3650d' },
    subject: { CN: '{name}' },
    overrides: ['validity', 'subject'],
    extraExtensions: 'ignore',
  },
  variants: {
    client: { description: 'For people and programs.', type: 'client', names: { dns: [], ip: [], email } },
    dual_purpose: { description: 'For servers that are clients too.', type: 'dual_purpose', names: { email } },
  },
}

/** What it signs certifies nobody but ends: who is to have authorities below makes them with POST /cas/. */
const ca = {
  description: 'For CAs elsewhere, ordered with create_ca.',
  type: 'ca',
  pathLength: 0,
  names: { dns: [], ip: [] },
}

/** `path_length`: of the authority; below one of 0 there are no CAs. */
interface New {
  name: string
  path_length?: number | null | undefined
}

/** The RA profile over which a new authority takes orders, in the transaction that stores that. Who may not make one leaves that to an administrator. */
export async function newProfile(
  { door }: Pick<Call, 'door'>,
  db: Database,
  { name, path_length: below }: New,
): Promise<void> {
  const variants = (below ?? 1) <= 0 ? settings.variants : { ...settings.variants, ca }
  try {
    await door.raProfiles.createIn(db, {
      name,
      authority: name,
      settings: { ...settings, variants },
      protocols: { fastpki: {} },
      rules,
    })
  } catch (error) {
    if (!(error instanceof Failure) || (error.code !== 'forbidden' && error.code !== 'conflict')) throw error
  }
}
