import { type CaaProperty, type IssueValue, parseIssueValue } from './caaRecord.ts'
import { quote } from './outcome.ts'

/** What a CAA record set is asked for. */
export interface CaaRequest {
  wildcard: boolean
  /** Of RFC 8657 section 4: the challenge that proved the name. */
  method: string
  /** Domain names that stand for us, in lower case. */
  issuers: readonly string[]
  accountUrl: string
  /** RFC 8657 section 5.6: accounturi and validationmethods are supported only with a trusted resolver that validates DNSSEC. */
  resolverValidates: boolean
}

/**
 * Tags that may be critical here. iodef asks for reports and restricts nothing; issuemail speaks of e-mail addresses alone (RFC 9495), which
 * are never certified here.
 */
const KNOWN = new Set(['issue', 'issuewild', 'iodef', 'issuemail'])
const LABELS = /^(?:[A-Za-z0-9-]+(?:,[A-Za-z0-9-]+)*)?$/

/** Why a relevant record set (RFC 8659 section 3) forbids the certificate; undefined when it does not. */
export function caaRefusal(properties: readonly CaaProperty[], request: CaaRequest): string | undefined {
  const unknown = properties.find(({ critical, tag }) => critical && !KNOWN.has(tag))
  if (unknown) return `the property ${quote(unknown.tag)} is critical and not known here`
  const wild = request.wildcard ? properties.filter(({ tag }) => tag === 'issuewild') : []
  const governing = wild.length > 0 ? wild : properties.filter(({ tag }) => tag === 'issue')
  if (governing.length === 0) return undefined
  const reasons = new Set<string>()
  for (const { value } of governing) {
    const reason = issueRefusal(parseIssueValue(value), request)
    if (reason === undefined) return undefined
    reasons.add(reason)
  }
  return [...reasons].slice(0, 3).join('; ')
}

/** A value that does not follow the grammar names nobody (RFC 8659 section 4.2). */
function issueRefusal(value: IssueValue | undefined, request: CaaRequest): string | undefined {
  if (!value) return 'a property is malformed, so that it allows nobody'
  const { issuer, parameters } = value
  if (issuer === '') return 'a property allows nobody'
  if (!request.issuers.includes(issuer)) return `${quote(issuer)} is allowed, which is not this authority`
  const uris = parameters.filter(({ tag }) => tag === 'accounturi')
  const methods = parameters.filter(({ tag }) => tag === 'validationmethods')
  if (uris.length + methods.length > 0 && !request.resolverValidates)
    return 'accounturi and validationmethods are not supported here, since the resolver is not trusted to validate DNSSEC'
  return accountRefusal(uris, request) ?? methodRefusal(methods, request)
}

type Parameters = IssueValue['parameters']

/** RFC 8657 section 3. Compared as text: what is invalid or not known equals no account of ours. */
function accountRefusal(uris: Parameters, { accountUrl }: CaaRequest): string | undefined {
  if (uris.length > 1) return 'a property has more than one accounturi'
  const [uri] = uris
  return uri && uri.value !== accountUrl ? 'a property is for another account than this one' : undefined
}

/** RFC 8657 section 4. */
function methodRefusal(lists: Parameters, { method }: CaaRequest): string | undefined {
  if (lists.length > 1) return 'a property has more than one validationmethods'
  const [list] = lists
  if (!list) return undefined
  if (!LABELS.test(list.value)) return 'a property has malformed validationmethods'
  return list.value.split(',').includes(method) ? undefined : `a property does not allow validation by ${method}`
}
