import { loadAuthority } from '../../src/core/authority/authority.ts'
import type { Database } from '../../src/db/open.ts'
import { readCertificate } from '../../src/pki/certificateReader.ts'
import type { CrlFields } from '../../src/pki/crlReader.ts'
import { decodeCrlIssuers, encodeDirectoryNames } from '../../src/pki/distribution.ts'
import { OID } from '../../src/pki/oid.ts'
import { type CrlWorld, crlWorld, day } from './crlWorld.ts'
import { createPeople, type People } from './people.ts'
import { createWorld, type World } from './world.ts'

/** `issuing`, `second` and `lists`, all below `root`, and a profile under `second`. */
export interface HandOverWorld {
  world: World
  crls: CrlWorld
  people: People
  change(name: string, settings: Record<string, unknown>, user?: People['root']): Promise<unknown>
  /** The indirect CRL of `lists`, under its active key or that of the certificate with this id. */
  list(more?: { delta?: boolean; issuer?: number }): ReturnType<CrlWorld['crl']>
  /** DER GeneralNames of an authority's subject, in hex. */
  nameOf(authority: string): Promise<string>
  close(): Promise<void>
}

export async function handOverWorld(
  open: () => Promise<{ db: Database; close: () => Promise<void> }>,
): Promise<HandOverWorld> {
  const { db, close } = await open()
  const world = await createWorld(db)
  const people = await createPeople(world)
  const crls = crlWorld(world)
  const { admin } = people.as(people.root)
  const below = { key: 'P-256', parent: 'root' } as const
  await admin.createAuthority({ name: 'lists', subject: 'CN=Lists', validity: 20 * 365 * day, ...below })
  await admin.createAuthority({ name: 'second', subject: 'CN=Second', validity: 365 * day, ...below })
  await world.save('second', { authority: (await loadAuthority(world.it, 'second')).id })
  return {
    world,
    crls,
    people,
    close,
    change: (name, settings, user = people.root) => people.as(user).admin.changeAuthority(name, { settings }),
    list: async (more = {}) =>
      crls.crl({ authority: 'lists', issuer: await crls.issuerId('lists'), indirect: true, ...more }),
    async nameOf(authority) {
      const { issuer } = await loadAuthority(world.it, authority)
      return encodeDirectoryNames(issuer?.certificate.subjectDer ?? Buffer.alloc(0)).toString('hex')
    },
  }
}

/** Each entry's serial number with the subject of its issuer, as who reads the list attributes it (RFC 5280 section 5.3.3). */
export function attributed({ entries, issuerDer }: CrlFields): Map<string, string> {
  let issuer = encodeDirectoryNames(issuerDer)
  return new Map(
    entries.map(({ serial, certificateIssuer }) => {
      issuer = certificateIssuer ?? issuer
      return [serial, issuer.toString('hex')]
    }),
  )
}

/** What the CRL distribution points of a certificate name. */
export function pointsOf(der: Buffer): { crlUrls: string[]; issuers: Buffer[] } {
  const { extensions, crlUrls } = readCertificate(der)
  const value = extensions.find(({ oid }) => oid === OID.cRLDistributionPoints)?.value
  return { crlUrls, issuers: value ? decodeCrlIssuers(value) : [] }
}
