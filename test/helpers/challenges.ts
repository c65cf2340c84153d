import { randomBytes } from 'node:crypto'
import type { Door } from '../../src/core/core.ts'
import type { ChallengeAsked, ChallengeGrant } from '../../src/core/enrolment/challenge.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import { parsePkcs10 } from '../../src/core/request/csr.ts'
import type { Requester } from '../../src/core/requester.ts'
import type { Csr } from '../../src/pki/csr.ts'
import { octets, oid, seq, utf8 } from '../../src/pki/der.ts'
import { encodeGeneralNames, type Identifier } from '../../src/pki/identifier.ts'
import { nameOf } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { attribute, buildCsr, ecKey } from './csrs.ts'
import type { World } from './world.ts'

/** A device that orders with a challenge, as an adapter hands it in. */
export interface Device {
  csr: Csr
  challenge: string
  transactionId: string
  source: string
}

/** A device with a new key, whose CSR holds the challenge. */
export function newDevice(
  challenge: string,
  names: string[],
  more: Partial<Device> & { subject?: string; key?: ReturnType<typeof ecKey> } = {},
): Device {
  const { subject = names[0] ?? '', key = ecKey(), ...given } = more
  const identifiers: Identifier[] = names.map((value) => ({ type: 'dns', value }))
  const san = seq(oid(OID.subjectAltName), octets(encodeGeneralNames(identifiers)))
  const attributes = [
    attribute(OID.challengePassword, utf8(challenge)),
    ...(names.length === 0 ? [] : [attribute(OID.extensionRequest, seq(san))]),
  ]
  const csr = parsePkcs10(buildCsr({ key, subject: nameOf({ CN: subject }), attributes }))
  return { csr, challenge, transactionId: randomBytes(8).toString('hex'), source: '192.0.2.7', ...given }
}

export function askedOf({ csr, transactionId }: Device): ChallengeAsked {
  return { subject: csr.subject, identifiers: csr.identifiers, transactionId, spkiHash: csr.publicKey.spkiHash }
}

export function keyHolder({ csr, source }: Device): Requester {
  return { kind: 'key-holder', ref: csr.publicKey.spkiHash, name: 'key holder', people: [], source }
}

export function grantFor(world: World, profile: RaProfile, device: Device): Promise<ChallengeGrant> {
  return world.core.as(keyHolder(device)).challenge(profile, device.challenge, askedOf(device))
}

/** What an adapter does with an order: asks for the grant, then signs with it. */
export async function enrol(world: World, profile: RaProfile, device: Device, grant?: ChallengeGrant) {
  const { requester, entitled, ...use } = grant ?? (await grantFor(world, profile, device))
  const door: Door = world.core.as(requester)
  const { csr, transactionId } = device
  return door.sign(
    {
      profile,
      protocol: 'scep',
      action: 'issue',
      origin: { protocol: 'scep', ref: `${profile.name}/${transactionId}/${csr.publicKey.spkiHash}` },
      csr,
      entitled,
      refusal: 'store',
    },
    (db) => door.redeemChallenge(db, { requester, entitled, ...use }),
  )
}
