import { z } from 'zod'
import { Failure } from '../../src/core/failure.ts'
import { type Csr, parseCsr } from '../../src/pki/csr.ts'
import { PkiError } from '../../src/pki/error.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import type { Name } from '../../src/pki/name.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import { defaultNames, givesNames, namesOf, refuseByType, requireCommonName, sanFields } from './alternativeNames.ts'
import { authorityNamed, findAuthority, type SeenAuthority } from './authorityView.ts'
import { certificateType, profileForType } from './certificateType.ts'
import { certificate } from './certificateView.ts'
import { id, integer, text } from './fields.ts'
import { type Call, operation } from './operation.ts'
import { answerOf, endOf, orderRef } from './order.ts'
import { orderProfile } from './orderProfile.ts'
import { orderSaid } from './orderSaid.ts'
import { commonNameOf, readSubject, withCommonName } from './subjectName.ts'

/** CSRSignRequest. */
const csrSignRequest = z.object({
  csr: z.string().min(1).max(100_000),
  ca_id: id.nullish(),
  ca_name: text(200).nullish(),
  certificate_type: certificateType,
  valid_days: integer(1, 36_500).nullish(),
  common_name: text(255).nullish(),
  subject_dn: text(1000).nullish(),
  ...sanFields,
})

type SignCall = Call<never, unknown, z.output<typeof csrSignRequest>>

export const signCsr = operation({
  method: 'post',
  path: '/certificates/sign-csr',
  tag: 'certificates',
  summary: 'Orders a certificate by a PKCS #10 request in PEM. 202 while somebody has to decide: ask for it by its id.',
  body: csrSignRequest,
  status: 201,
  answer: certificate,
  async run(call) {
    const { door, body } = call
    const { certificate_type: type } = body
    const named = await authorityOf(call)
    const csr = readCsr(body.csr)
    const subject = subjectOf(csr, body)
    const asked = givesNames(body) ? namesOf(body) : csr.identifiers
    refuseByType(type, asked)
    const identifiers = withDefaults(type, subject, asked)
    requireCommonName(type, commonNameOf(subject), identifiers)
    const found = await orderProfile(call, named)
    const profile = profileForType(door, found.profile, type)
    const ref = orderRef(call)
    const said = orderSaid(call, ref)
    const draft = {
      profile,
      protocol: 'fastpki',
      action: 'issue',
      origin: { protocol: 'fastpki', ref },
      csr,
      identifiers,
      subject,
      requestedSubject: subject,
      ...endOf(call, { asked: body.valid_days, profile, options: found.options, issuer: named.certificate }),
      editable: true,
      refusal: 'store',
    } as const
    const signed = await door.sign(draft, said.claim)
    await said.check(signed)
    return answerOf(call, signed.request)
  },
})

async function authorityOf(call: SignCall): Promise<SeenAuthority> {
  const { ca_id: byId, ca_name: byName } = call.body
  if (byId) return findAuthority(call, byId)
  if (byName) return authorityNamed(call, byName)
  throw new Failure('malformed', 'Either ca_id or ca_name must be provided')
}

/** Throws Failure('badCsr'). */
function readCsr(given: string): Csr {
  try {
    const [block, another] = pemDecode(given)
    const isRequest = block?.label === 'CERTIFICATE REQUEST' || block?.label === 'NEW CERTIFICATE REQUEST'
    if (!block || another || !isRequest)
      throw new Failure('badCsr', 'Invalid CSR: exactly one CERTIFICATE REQUEST in PEM')
    return parseCsr(block.der)
  } catch (error) {
    if (error instanceof PkiError) throw new Failure('badCsr', `Invalid CSR: ${error.message}`, { cause: error })
    throw error
  }
}

function subjectOf(csr: Csr, { common_name, subject_dn }: z.output<typeof csrSignRequest>): Name {
  const subject = subject_dn ? readSubject(subject_dn) : csr.subject
  return common_name ? withCommonName(subject, common_name) : subject
}

function withDefaults(
  type: z.output<typeof certificateType>,
  subject: Name,
  asked: readonly Identifier[],
): Identifier[] {
  const commonName = commonNameOf(subject)
  return [...(commonName === undefined ? [] : defaultNames(type, commonName, asked)), ...asked]
}
