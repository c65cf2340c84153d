import { readCertificate } from '../../../src/pki/certificateReader.ts'

/** All that the server has acknowledged: what must be there whatever happens afterwards. */
export interface Ledger {
  /** Names of orders that were accepted, and over which contract. */
  requests: Map<string, string>
  /** DER by name: whoever got it. */
  certificates: Map<string, Buffer>
  /** By serial, in lower-case hexadecimal digits. */
  serials: Map<string, string>
  /** Serials of certificates whose revocation was acknowledged. */
  revoked: Set<string>
  /** Serials of certificates whose revocation was asked for: the answer may have been lost. */
  revoking: Set<string>
  /** uuids of requests for which a vote was acknowledged. */
  votes: Set<string>
  /** What no client should ever be told. */
  faults: string[]
  accepted(protocol: string, name: string): void
  issued(name: string, der: Buffer): string
  asksRevocation(serial: string): void
  withdrawn(serial: string): void
}

export function openLedger(): Ledger {
  const faults: string[] = []
  const ledger: Ledger = {
    requests: new Map(),
    certificates: new Map(),
    serials: new Map(),
    revoked: new Set(),
    revoking: new Set(),
    votes: new Set(),
    faults,
    accepted: (protocol, name) => void ledger.requests.set(name, protocol),
    issued(name, der) {
      const { serial, identifiers } = readCertificate(der)
      const [first] = identifiers
      if (first?.value !== name) faults.push(`${name} got the certificate of ${first?.value}`)
      const known = ledger.certificates.get(name)
      if (known && !known.equals(der)) faults.push(`${name} got two certificates for one order`)
      const other = ledger.serials.get(serial)
      if (other !== undefined && other !== name) faults.push(`the serial ${serial} is of ${other} and of ${name}`)
      ledger.certificates.set(name, der)
      ledger.serials.set(serial, name)
      return serial
    },
    asksRevocation: (serial) => void ledger.revoking.add(serial),
    withdrawn: (serial) => void ledger.revoked.add(serial),
  }
  return ledger
}
