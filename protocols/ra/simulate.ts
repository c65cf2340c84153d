import { generateKeyPairSync } from 'node:crypto'
import { z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import type { Asker, Simulation } from '../../src/core/issuance/simulate.ts'
import { type Csr, parseCsr } from '../../src/pki/csr.ts'
import { writeCsr } from '../../src/pki/csrWriter.ts'
import type { Identifier } from '../../src/pki/identifier.ts'
import { parseNameText } from '../../src/pki/nameText.ts'
import { signerFor } from '../../src/pki/signer.ts'
import { readRequest, requestFormat } from './certificateRequest.ts'
import { Unprocessable } from './errors.ts'
import { moment, when } from './fields.ts'
import { operation } from './operation.ts'
import { defined } from './requests.ts'
import { revocationReason } from './revoke.ts'
import { parseSubjectAltName } from './subjectAltName.ts'
import { text } from './text.ts'

const requesterKind = z.enum([
  'acme-account',
  'client-certificate',
  'challenge',
  'credential',
  'token',
  'user',
  'key-holder',
])

const question = z.strictObject({
  action: z.enum(['issue', 'renew', 'rekey', 'revoke']).default('issue'),
  protocol: text(50).default('ra'),
  /** A certificate request; without one, names are enough. */
  request: z.string().optional(),
  format: requestFormat.default('pkcs10'),
  /** DNS:a.test,IP:192.0.2.1 */
  names: text(10_000).optional(),
  /** RFC 4514 text. */
  subject: text(1000).optional(),
  variant: text(100).optional(),
  notAfter: moment.optional(),
  /** The protocol has proved control of all the names. */
  validated: z.boolean().default(false),
  /** A challenge or credential was made for exactly these names. */
  entitled: z.boolean().default(false),
  /** uuid of what is renewed, rekeyed or revoked. */
  certificate: text(100).optional(),
  reason: revocationReason.optional(),
  /** Of a revocation: account, names, key or user. */
  grounds: z.enum(['account', 'names', 'key', 'user']).default('user'),
  /** Who would ask; absent: the caller. */
  requester: z.strictObject({ kind: requesterKind, name: text(200).default('') }).optional(),
})
type Question = z.output<typeof question>

const answer = z.object({
  refused: z.array(z.object({ policy: z.string(), detail: z.string() })),
  findings: z.array(z.object({ by: z.string(), check: z.string(), detail: z.string() })),
  certificate: z
    .object({
      type: z.string(),
      subject: z.string(),
      identifiers: z.array(z.object({ type: z.string(), value: z.string() })),
      notBefore: when,
      notAfter: when,
      keyUsage: z.array(z.string()),
      extendedKeyUsage: z.array(z.string()),
      mustStaple: z.boolean(),
    })
    .optional(),
  decision: z
    .object({
      outcome: z.enum(['auto', 'deny', 'require']),
      rule: z.string(),
      version: z.string(),
      message: z.string().optional(),
      steps: z.array(z.looseObject({ quorum: z.int(), mayApprove: z.array(z.string()) })),
    })
    .optional(),
})

export const simulateOrder = operation({
  method: 'post',
  path: '/v1/countersign/raProfiles/{name}/simulate',
  tag: 'Requests and decisions',
  summary:
    'Says what would become of an order: which rule decides, who must approve, what the certificate would be. Nothing is stored.',
  body: question,
  answer,
  async run({ door, params, body }) {
    const { profile } = await door.serving({ name: params.name })
    const chosen = body.variant === undefined ? profile : door.variant(profile, body.variant)
    const asker: Asker | undefined = body.requester
    const certificate = body.certificate === undefined ? undefined : await certificateId(door, body.certificate)
    if (body.action === 'revoke') return { body: await revocation(door, body, certificate) }
    const csr = await csrOf(body)
    const identifiers = body.names === undefined ? csr.identifiers : parseSubjectAltName(body.names)
    const simulation: Simulation = await door.simulate(
      {
        profile: chosen,
        protocol: body.protocol,
        action: body.action,
        csr,
        identifiers,
        ...(body.validated ? { validated: identifiers } : {}),
        ...defined({ entitled: body.entitled, notAfter: body.notAfter, renews: certificate }),
        refusal: 'throw',
      },
      asker,
    )
    return { body: simulation }
  },
})

async function certificateId(door: Door, uuid: string): Promise<number> {
  return (await door.list.record(uuid)).request.id
}

async function revocation(door: Door, body: Question, certificate: number | undefined): Promise<Simulation> {
  if (certificate === undefined) throw new Unprocessable(['certificate is required: the uuid of what would be revoked'])
  const { protocol, grounds, reason, requester } = body
  return door.simulateRevocation({ protocol, certificate, grounds, ...defined({ reason }) }, requester)
}

/** The one that was given, or one for the names under a key that is thrown away. */
async function csrOf({ request, format, names, subject }: Question): Promise<Csr> {
  if (request !== undefined) return readRequest(request, format)
  if (names === undefined && subject === undefined)
    throw new Unprocessable(['request is required, or names, or a subject'])
  const identifiers: Identifier[] = names === undefined ? [] : parseSubjectAltName(names)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const name = subject === undefined ? [] : parseNameText(subject)
  return parseCsr(await writeCsr({ subject: name, identifiers }, signerFor(privateKey)))
}
