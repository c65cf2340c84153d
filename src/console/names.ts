import { Failure } from '../core/failure.ts'
import { formatIp, type Identifier, isValidDnsName, parseIp } from '../pki/identifier.ts'

const MOST = 200

/**
 * Names as people type them, between commas, blanks or lines; what each is shows by its form: an IP address, an e-mail address (with @), a
 * URI (with ://), else a DNS name. Each once. Throws Failure('malformed') with a problem for each that is none.
 */
export function parseNames(text: string): Identifier[] {
  const words = [...new Set(text.split(/[\s,;]+/).filter((word) => word !== ''))]
  if (words.length > MOST) throw new Failure('malformed', `at most ${MOST} names`)
  const read = words.map((word) => ({ word, name: nameOf(word) }))
  const wrong = read.filter(({ name }) => name === undefined)
  if (wrong.length > 0) {
    const problems = wrong.map(({ word }) => {
      return {
        at: word.slice(0, 100),
        code: 'malformed' as const,
        detail: 'is no DNS name, IP address, e-mail address or URI',
      }
    })
    throw new Failure('malformed', 'some names cannot be read', { problems })
  }
  return read.flatMap(({ name }) => (name ? [name] : []))
}

function nameOf(word: string): Identifier | undefined {
  const bare = word.replace(/^(?:dns|ip|email|uri):(?!\/\/)/i, '')
  const address = parseIp(bare)
  if (address) return { type: 'ip', value: formatIp(address) }
  if (/^[a-z][a-z0-9+.-]*:\/\/[!-~]+$/i.test(bare)) return { type: 'uri', value: bare }
  if (/^[!-~]+@[A-Za-z0-9.-]+$/.test(bare)) return { type: 'email', value: bare }
  const name = bare.toLowerCase()
  return isValidDnsName(name, { wildcard: true, underscore: true }) ? { type: 'dns', value: name } : undefined
}
