import { z } from 'zod'
import type { Door } from '../../src/core/core.ts'
import type { OptionSet } from '../../src/core/profile/optionSets.ts'
import type { ProfileRecord } from '../../src/core/profile/raProfiles.ts'
import { fingerprint } from '../../src/pki/certificateReader.ts'
import { derivedUuid } from './derivedUuid.ts'
import { Unprocessable } from './errors.ts'
import { text } from './text.ts'

const attributes = z.array(z.unknown()).max(100)

const fields = {
  description: text(500).nullish(),
  raProfileUuid: text(200).nullish(),
  issueCertificateAttributes: attributes.nullish(),
  caCertificateUuid: text(200),
  /** Days. */
  renewalThreshold: z.int().nullish(),
  includeCaCertificate: z.boolean().nullish(),
  includeCaCertificateChain: z.boolean().nullish(),
  challengePassword: z.string().max(1000).nullish(),
  enableChallengePassword: z.boolean().nullish(),
  enableIntune: z.boolean().nullish(),
  intuneTenant: text(500).nullish(),
  intuneApplicationId: text(500).nullish(),
  intuneApplicationKey: z.string().max(1000).nullish(),
  customAttributes: attributes.nullish(),
  certificateAssociations: z.looseObject({}).nullish(),
}

/** ScepProfileRequestDto. */
export const newScepProfile = z.object({ name: text(99).min(1), ...fields })
/** ScepProfileEditRequestDto. */
export const editedScepProfile = z.object(fields)

type Given = z.output<typeof editedScepProfile>

/** In place of a CA certificate: the RA profile's own message key, which is made for it when it is needed (RFC 8894 section 2.1.2). */
export const OWN_MESSAGE_KEY = '00000000-0000-0000-0000-000000000000'

/** A CA certificate to which SCEP messages may go: its key is RSA, and here. */
export interface MessageCa {
  uuid: string
  authority: string
  der: Buffer
}

export const caUuid = (der: Buffer): string => derivedUuid(`certificate ${fingerprint(der)}`)

/** The CA certificates that a SCEP profile may name. */
export async function messageCas(door: Door): Promise<MessageCa[]> {
  const fit = (await door.admin.authorities()).filter(
    ({ kind, enabled, keyAlgorithm }) => kind === 'local' && enabled && keyAlgorithm?.startsWith('RSA'),
  )
  const all = await Promise.all(fit.map(({ name }) => door.admin.authority(name)))
  return all.flatMap(({ uuid: authority, chain: [der] }) => (der ? [{ uuid: caUuid(der), authority, der }] : []))
}

/** What a SCEP profile says, as options of the protocol. Throws Unprocessable with a sentence for each thing that cannot be had. */
export async function scepOptionsOf(door: Door, given: Given): Promise<Record<string, unknown>> {
  const problems = scepProblems(given)
  const own = given.caCertificateUuid === OWN_MESSAGE_KEY
  if (!own && !(await messageCas(door)).some(({ uuid }) => uuid === given.caCertificateUuid))
    problems.push(
      `caCertificateUuid: one of /v1/scepProfiles/caCertificates, or ${OWN_MESSAGE_KEY} for a key that the RA profile has for itself`,
    )
  if (problems.length > 0) throw new Unprocessable(problems)
  return {
    messageKey: own ? 'ra' : 'ca',
    answer: given.includeCaCertificateChain ? 'chain' : 'leaf',
    withoutChallenge: given.enableChallengePassword ? 'refuse' : 'review',
  }
}

function scepProblems(given: Given): string[] {
  const some = (list: readonly unknown[] | null | undefined) => list != null && list.length > 0
  const intune = ['enableIntune', 'intuneTenant', 'intuneApplicationId', 'intuneApplicationKey'] as const
  const wrong: [boolean, string][] = [
    [
      some(given.issueCertificateAttributes),
      'issueCertificateAttributes: SCEP messages carry none; send an empty list',
    ],
    [
      Boolean(given.renewalThreshold),
      'renewalThreshold: when a renewal passes is said by the rules of the RA profile; leave it out',
    ],
    [
      given.includeCaCertificate === true && given.includeCaCertificateChain !== true,
      'includeCaCertificate: the issuer’s certificate comes with its chain or not at all; set includeCaCertificateChain too',
    ],
    [
      Boolean(given.challengePassword),
      'challengePassword: there is no password for all; challenges are made one by one (countersign challenge create), and enableChallengePassword demands them',
    ],
    ...intune.map((name): [boolean, string] => [
      Boolean(given[name]),
      `${name}: Intune is not asked; the webhook of the protocol’s options asks a system of your own`,
    ]),
    [some(given.customAttributes), 'customAttributes: a SCEP profile has none here; send an empty list'],
    [
      Object.values(given.certificateAssociations ?? {}).some(
        (value) => value != null && !(Array.isArray(value) && value.length === 0),
      ),
      'certificateAssociations: owner and groups of a certificate are set on the certificate',
    ],
  ]
  return wrong.flatMap(([is, sentence]) => (is ? [sentence] : []))
}

/** A CA certificate reads the messages of RA profiles below the same authority only. Throws Unprocessable. */
export async function fitsAuthority(
  door: Door,
  profile: ProfileRecord,
  set: Pick<OptionSet, 'name' | 'details'>,
): Promise<void> {
  const { caCertificateUuid } = set.details
  if (caCertificateUuid === OWN_MESSAGE_KEY) return
  const ca = (await messageCas(door)).find(({ uuid }) => uuid === caCertificateUuid)
  if (ca?.authority !== profile.authorityUuid)
    throw new Unprocessable([
      `the CA certificate of the SCEP profile ${set.name} is not the one that signs for the RA profile ${profile.name}`,
    ])
}
