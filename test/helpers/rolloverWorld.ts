import { randomBytes } from 'node:crypto'
import type { Admin } from '../../src/core/admin.ts'
import type { Issuer } from '../../src/core/authority/authority.ts'
import { type Certificate, findCertificate } from '../../src/core/certificate.ts'
import type { Door } from '../../src/core/core.ts'
import type { SignRequest } from '../../src/core/request/request.ts'
import type { CoreTables } from '../../src/core/tables.ts'
import { closeDatabase, type Database, openDatabase } from '../../src/db/open.ts'
import { withTables } from '../../src/db/tables.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import { verifyIssuedBy } from '../../src/pki/chain.ts'
import { askOcsp, readOcsp } from './ocspAnswer.ts'
import { ocspWorld } from './ocspWorld.ts'
import { createPeople, type People } from './people.ts'
import { ocspRequest } from './statusServer.ts'
import { acmeAccount, newCsr, openWorld, type World } from './world.ts'

/** Two nodes of one installation, whose authorities roll over. */
export interface RolloverWorld {
  world: World
  /** Another node: a handle and a memory of its own, under the same clock. */
  other: World
  people: People
  to: ReturnType<typeof ocspWorld>
  /** Of the superuser. */
  admin(): Admin
  /** What anybody may ask. */
  door(at?: World): Door
  tables(): ReturnType<typeof withTables<CoreTables>>
  order(at: World, profile: string, more?: { issuer?: number }): Promise<SignRequest>
  issue(at: World, profile: string, more?: { issuer?: number }): Promise<Certificate>
  /** What a node's OCSP says, in one word. */
  status(at: World, issuer: Issuer, serial: string): Promise<string | undefined>
  /** Throws unless the certificate is stored under the one whose key signed it, and names its URLs. */
  requireTrue(certificate: Certificate): Promise<void>
  close(): Promise<void>
}

export async function rolloverWorld(opened: {
  db: Database
  url: string
  close(): Promise<void>
}): Promise<RolloverWorld> {
  const secret = randomBytes(32)
  const world = await openWorld(opened.db, secret)
  const db = openDatabase(opened.url)
  const other = await openWorld(db, secret)
  other.it.clock = world.it.clock
  const people = await createPeople(world)
  const tables = () => withTables<CoreTables>(world.it.db)
  const order: RolloverWorld['order'] = async (at, profileName, more = {}) => {
    const csr = await newCsr([`h${randomBytes(6).toString('hex')}.example.org`])
    const named = { csr, identifiers: csr.identifiers, validated: csr.identifiers, ...more }
    const profile = await at.profile(profileName)
    const draft = { profile, protocol: 'acme', action: 'issue', refusal: 'store', ...named } as const
    return (await at.core.as(acmeAccount()).sign(draft)).request
  }
  return {
    world,
    other,
    people,
    to: ocspWorld(world),
    admin: () => people.as(people.root).admin,
    door: (at = world) => at.core.as(acmeAccount()),
    tables,
    order,
    async issue(at, profile, more) {
      const request = await order(at, profile, more)
      const certificate = await findCertificate(at.it.db, { id: request.id })
      if (!certificate) throw new Error(`the request is ${request.status}: ${request.lastError ?? request.reason}`)
      return certificate
    },
    async status(at, issuer, serial) {
      const { der } = await askOcsp(at, ocspRequest(issuer, [serial]))
      return readOcsp(der).statuses.join().split(' ')[0]
    },
    async requireTrue({ der, authorityCertificateId: id }) {
      const row = await tables()
        .selectFrom('authority_certificates')
        .select('certificate')
        .where('id', '=', id ?? 0)
        .executeTakeFirstOrThrow()
      const fields = readCertificate(der)
      if (!verifyIssuedBy(fields, readCertificate(row.certificate))) throw new Error('another key has signed it')
      const urls = [fields.issuerUrls[0]?.endsWith(`/${id}.cer`), fields.crlUrls[0]?.includes(`/${id}/`)]
      if (urls.includes(false)) throw new Error(`it names ${fields.issuerUrls} ${fields.crlUrls}`)
    },
    async close() {
      await closeDatabase(db)
      await opened.close()
    },
  }
}
