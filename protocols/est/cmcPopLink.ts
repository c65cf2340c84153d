import { readWitness } from '../../src/pki/cmcControl.ts'
import type { Csr } from '../../src/pki/csr.ts'
import { PkiError } from '../../src/pki/error.ts'
import { OID } from '../../src/pki/oid.ts'
import type { Asking } from './cmcEnroll.ts'
import { CmcRefusal } from './cmcRefusal.ts'

/**
 * RFC 10002 section 6.3.1: where a message has popLinkRandom, each request in it has a witness that only who knows the shared secret can make. A witness without
 * the other half proves nothing and is refused, and so is one of the first version, which is by SHA-1. Throws CmcRefusal('popFailed').
 */
export function checkPopLink({ message, identity }: Pick<Asking, 'message' | 'identity'>, csr: Csr): void {
  const { popLinkRandom } = message.controls
  const valuesOf = (oid: string) => csr.attributes.find((attribute) => attribute.oid === oid)?.values
  if (valuesOf(OID.cmcPopLinkWitness)) throw new CmcRefusal('badAlg', 'use PopLinkWitnessV2, with SHA-256 or better')
  const [value, ...more] = valuesOf(OID.cmcPopLinkWitnessV2) ?? []
  if (!popLinkRandom && !value) return
  const fits =
    identity.by === 'secret' &&
    popLinkRandom !== undefined &&
    value !== undefined &&
    more.length === 0 &&
    identity.credential.verifyWitness(witnessOf(value), { input: popLinkRandom.octets })
  if (!fits)
    throw new CmcRefusal(
      'popFailed',
      'the request is not linked to the shared secret by popLinkRandom and PopLinkWitnessV2',
    )
}

function witnessOf(value: Parameters<typeof readWitness>[0]) {
  try {
    return readWitness(value)
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    throw new CmcRefusal(error.kind === 'unsupported' ? 'badAlg' : 'popFailed', error.message, { cause: error })
  }
}
