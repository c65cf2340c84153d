/** One CAA record (RFC 8659 section 4.1). */
export interface CaaProperty {
  critical: boolean
  /** In lower case: tags match without case. */
  tag: string
  /** One character for each octet. */
  value: string
}

const ISSUER_CRITICAL = 0x80

/** Reads the RDATA of a CAA record; undefined when it is none. The reserved flags mean nothing (RFC 8659 section 4.1). */
export function readCaa(data: Buffer): CaaProperty | undefined {
  const flags = data[0]
  const length = data[1]
  if (flags === undefined || length === undefined || length < 1 || data.length < 2 + length) return undefined
  return {
    critical: (flags & ISSUER_CRITICAL) !== 0,
    tag: data.toString('latin1', 2, 2 + length).toLowerCase(),
    value: data.toString('latin1', 2 + length),
  }
}

/** Value of issue and issuewild, and of a dns-persist-01 record. */
export interface IssueValue {
  /** In lower case; empty: nobody. */
  issuer: string
  /** Tags in lower case, in order, with repetitions. */
  parameters: { tag: string; value: string }[]
}

const WSP = '[ \\t]*'
const LDH = '[A-Za-z0-9](?:-*[A-Za-z0-9])*'
const ISSUER = new RegExp(`^${WSP}(?:(${LDH}(?:\\.${LDH})*)${WSP})?$`)
const PARAMETER = new RegExp(`^${WSP}(${LDH})${WSP}=${WSP}([\\x21-\\x3a\\x3c-\\x7e]*)${WSP}$`)
/** A record of 64 KiB could hold thousands. */
const MAX_LENGTH = 4096

/**
 * Reads an issue-value by the grammar of RFC 8659 section 4.2; undefined for what does not follow it. A semicolon ends the issuer and stands
 * between parameters: after the last one there is none.
 */
export function parseIssueValue(value: string): IssueValue | undefined {
  if (value.length > MAX_LENGTH) return undefined
  const [first = '', ...rest] = value.split(';')
  const issuer = ISSUER.exec(first)
  if (!issuer) return undefined
  const parameters: IssueValue['parameters'] = []
  // "issuer;" alone, with nothing behind the semicolon, has no parameters.
  const texts = rest.length === 1 && /^[ \t]*$/.test(rest[0] ?? '') ? [] : rest
  for (const text of texts) {
    const [, tag, content] = PARAMETER.exec(text) ?? []
    if (tag === undefined || content === undefined) return undefined
    parameters.push({ tag: tag.toLowerCase(), value: content })
  }
  return { issuer: (issuer[1] ?? '').toLowerCase(), parameters }
}
