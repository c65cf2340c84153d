import { z } from 'zod'
import { milliseconds } from '../../src/http/optionFields.ts'
import { Unprocessable } from './errors.ts'
import { text } from './text.ts'

const attributes = z.array(z.unknown()).max(100)

const fields = {
  description: text(500).nullish(),
  termsOfServiceUrl: text(500).nullish(),
  websiteUrl: text(500).nullish(),
  dnsResolverIp: text(100).nullish(),
  dnsResolverPort: z.union([text(10), z.int()]).nullish(),
  raProfileUuid: text(200).nullish(),
  /** Seconds. */
  retryInterval: z.int().nullish(),
  /** Of an order, in seconds. */
  validity: z.int().min(1).max(30_000_000).nullish(),
  issueCertificateAttributes: attributes.nullish(),
  revokeCertificateAttributes: attributes.nullish(),
  requireContact: z.boolean().nullish(),
  requireTermsOfService: z.boolean().nullish(),
  customAttributes: attributes.nullish(),
  certificateAssociations: z.looseObject({}).nullish(),
}

/** AcmeProfileRequestDto. */
export const newAcmeProfile = z.object({ name: text(99).min(1), ...fields })

/** AcmeProfileEditRequestDto. */
export const editedAcmeProfile = z.object({
  ...fields,
  termsOfServiceChangeDisable: z.boolean().nullish(),
  termsOfServiceChangeUrl: text(500).nullish(),
})

type Given = Omit<z.output<typeof editedAcmeProfile>, 'termsOfServiceChangeDisable' | 'termsOfServiceChangeUrl'> & {
  termsOfServiceChangeDisable?: boolean | null | undefined
  termsOfServiceChangeUrl?: string | null | undefined
}

export const DEFAULT_VALIDITY = 36_000
export const DEFAULT_RETRY = 30
export const DEFAULT_DNS_PORT = '53'

/** What an ACME profile says, as options of the protocol: null takes one out. Throws Unprocessable with a sentence for each thing that cannot be had. */
export function acmeOptionsOf(given: Given): Record<string, unknown> {
  const problems = acmeProblems(given)
  if (problems.length > 0) throw new Unprocessable(problems)
  return {
    termsOfService: given.termsOfServiceUrl || null,
    website: given.websiteUrl || null,
    orderLifetime: durationOf(given.validity ?? DEFAULT_VALIDITY),
  }
}

function acmeProblems(given: Given): string[] {
  const some = (list: readonly unknown[] | null | undefined) => list != null && list.length > 0
  const { retryInterval, dnsResolverPort, certificateAssociations } = given
  const wrong: [boolean, string][] = [
    [
      Boolean(given.dnsResolverIp),
      'dnsResolverIp: the resolver is the installation’s (COUNTERSIGN_RESOLVER); leave it out',
    ],
    [
      dnsResolverPort != null && String(dnsResolverPort) !== DEFAULT_DNS_PORT,
      'dnsResolverPort: the resolver is the installation’s (COUNTERSIGN_RESOLVER); leave it out',
    ],
    [
      retryInterval != null && retryInterval !== DEFAULT_RETRY,
      `retryInterval: how long clients wait is not set by hand; leave it out, or send ${DEFAULT_RETRY}`,
    ],
    [some(given.issueCertificateAttributes), 'issueCertificateAttributes: ACME orders carry none; send an empty list'],
    [
      some(given.revokeCertificateAttributes),
      'revokeCertificateAttributes: ACME clients send none; send an empty list',
    ],
    [given.requireContact === true, 'requireContact: a contact is never demanded; leave it out'],
    [
      given.requireTermsOfService === true && !given.termsOfServiceUrl,
      'requireTermsOfService: there is nothing to agree to without termsOfServiceUrl',
    ],
    [
      given.requireTermsOfService !== true && Boolean(given.termsOfServiceUrl),
      'requireTermsOfService: whoever is shown terms must agree to them here; send true, or leave termsOfServiceUrl out',
    ],
    [
      given.termsOfServiceChangeDisable === true,
      'termsOfServiceChangeDisable: accounts are not stopped when terms change',
    ],
    [Boolean(given.termsOfServiceChangeUrl), 'termsOfServiceChangeUrl: accounts are not asked again when terms change'],
    [some(given.customAttributes), 'customAttributes: an ACME profile has none here; send an empty list'],
    [
      certificateAssociations != null &&
        Object.values(certificateAssociations).some((value) => value != null && !isEmpty(value)),
      'certificateAssociations: owner and groups of a certificate are set on the certificate',
    ],
  ]
  return wrong.flatMap(([is, sentence]) => (is ? [sentence] : []))
}

const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0

/** Seconds as a length of time with at most six digits. */
export function durationOf(seconds: number): string {
  if (seconds < 1_000_000) return `${seconds}s`
  return `${Math.ceil(seconds / 60)}m`
}

export function secondsOf(duration: unknown): number {
  return typeof duration === 'string' ? milliseconds(duration) / 1000 : DEFAULT_VALIDITY
}
