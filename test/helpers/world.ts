import { createHash, randomBytes } from 'node:crypto'
import { pino } from 'pino'
import { acmeAuthority } from '../../src/authorities/acme.ts'
import { localAuthority } from '../../src/authorities/local.ts'
import { manualAuthority } from '../../src/authorities/manual.ts'
import type { Core } from '../../src/core/core.ts'
import { createCore } from '../../src/core/door.ts'
import type { Installation } from '../../src/core/installation.ts'
import { createKeyVault, generateKey, type KeySpec } from '../../src/core/key.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { loadProfile, saveProfile } from '../../src/core/profile/profiles.ts'
import { parsePkcs10 } from '../../src/core/request/csr.ts'
import type { Requester } from '../../src/core/requester.ts'
import { system } from '../../src/core/requester.ts'
import { firstStart } from '../../src/core/upkeep/firstStart.ts'
import type { Database } from '../../src/db/open.ts'
import { transaction } from '../../src/db/transaction.ts'
import type { Csr } from '../../src/pki/csr.ts'
import { writeCsr } from '../../src/pki/csrWriter.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { nameOf } from '../../src/pki/name.ts'
import { signerFor } from '../../src/pki/signer.ts'

/** An installation after its first start, without listeners. Time stands until it is moved. */
export interface World {
  it: Installation
  core: Core
  setupSecret: string
  /** The clock: set it, or move it on by milliseconds. */
  time: { now: Date; pass(milliseconds: number): void }
  profile(name?: string): Promise<RaProfile>
  /** Writes a profile like `default` with other settings or rules. */
  save(
    name: string,
    change: { settings?: unknown; rules?: unknown; authority?: number; protocols?: Record<string, unknown> },
  ): Promise<RaProfile>
}

export function createWorld(db: Database): Promise<World> {
  return openWorld(db, randomBytes(32))
}

/** As createWorld, over a database that was made with this key-encryption key. */
export async function openWorld(db: Database, secret: Buffer): Promise<World> {
  const time = {
    now: new Date(),
    pass(milliseconds: number) {
      time.now = new Date(time.now.getTime() + milliseconds)
    },
  }
  const it: Installation = {
    db,
    vault: createKeyVault(secret),
    auditSecret: createHash('sha256').update('audit chain').update(secret).digest(),
    challengeSecret: createHash('sha256').update('challenges').update(secret).digest(),
    clock: () => time.now,
    log: pino({ level: 'silent' }),
    httpBaseUrl: 'http://ca.test',
    node: randomBytes(8).toString('hex'),
    makers: {
      local: localAuthority,
      manual: manualAuthority,
      acme: (_issuer, _signer, account) => acmeAuthority(account),
    },
  }
  const started = await firstStart(it, { protocols: ['acme'] })
  const profile = (name = 'default') => loadProfile(db, name)
  return {
    it,
    core: createCore(it, () => {}),
    setupSecret: started?.setupSecret ?? '',
    time,
    profile,
    async save(name, change) {
      const like = await profile()
      const draft = {
        name,
        organizationId: like.organizationId,
        authorityId: change.authority ?? like.authorityId,
        enabled: true,
        builtin: false,
        settings: change.settings ?? {},
        protocols: change.protocols ?? { acme: {} },
        rules: change.rules ?? like.rules,
      }
      await transaction(db, (db) => saveProfile(db, draft, { actor: system('test'), at: time.now }))
      return profile(name)
    },
  }
}

/** A CSR with a new key. */
export async function newCsr(
  names: string[],
  options: { key?: KeySpec; subject?: Record<string, string> } = {},
): Promise<Csr> {
  const identifiers: Identifier[] = names.map((value) => ({ type: 'dns', value }))
  const signer = signerFor(generateKey(options.key ?? 'P-256'))
  return parsePkcs10(await writeCsr({ subject: nameOf(options.subject ?? {}), identifiers }, signer))
}

export function acmeAccount(ref = 'account-1'): Requester {
  return { kind: 'acme-account', ref, name: `ACME account ${ref}`, people: [], source: '192.0.2.1' }
}
