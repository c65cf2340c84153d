import type { Certificate } from '../certificate.ts'
import type { LifetimeView } from '../ocsp/lifetime.ts'

/** What was taken from the last CRL of an imported authority. */
export interface ImportedCrl {
  /** Decimal: ours go on behind it. Null: not known. */
  number: string | null
  entries: number
  warnings: string[]
}

/** What an uploaded CRL did. */
export interface UploadedCrl {
  /** Decimal. */
  number: string
  nextUpdate: Date
  entries: number
  /** Ids of the requests to revoke that it confirmed. */
  confirmed: number[]
  /** Serial numbers of certificates stored here that are revoked by it, or that it confirmed. */
  revoked: string[]
  /** Those whose hold it lifted, as was asked for here. */
  released: string[]
  /** What does not agree with what is known here. */
  warnings: string[]
}

export interface UploadedResponder {
  serial: string
  notAfter: Date
  warnings: string[]
}

/** What administrators bring from where an authority signs, or signed before, which needs manage on the authority; and how it stands. */
export interface RevocationAdmin {
  /**
   * The last CRL (DER or PEM) of an authority that was imported without it, or a later one; `crlNumber`: the number of the
   * last one, where that is another or all that is known. Throws malformed for one that is not wholly its, conflict for
   * one that is older than what was imported or published here.
   */
  importCrl(authority: string, draft: { crl?: Buffer; crlNumber?: bigint }): Promise<ImportedCrl>
  /**
   * A CRL (DER or PEM) of an authority that signs elsewhere, to be served here. Throws malformed for one that is not
   * wholly its or has ended, conflict for one whose number is not higher than the last one's.
   */
  uploadCrl(authority: string, file: Buffer): Promise<UploadedCrl>
  /**
   * The OCSP responder of an authority that signs elsewhere: its certificate and private key, as PEM text or PKCS#12.
   * Throws malformed with what does not fit, conflict for one that is there already.
   */
  uploadResponder(
    authority: string,
    draft: { pem?: string; pkcs12?: Buffer; passphrase?: string },
  ): Promise<UploadedResponder>
  /**
   * A certificate (DER) that a key of an authority signed, and that is not known here: before the authority was imported, or where it
   * signs. From then on it can be revoked and held, and what a CRL from there said of it is its status. Throws malformed for
   * one by no key of this authority, one that has ended or that no CRL could list, conflict for one that is known.
   */
  importCertificate(authority: string, der: Buffer): Promise<Certificate>
  /** CRLs and OCSP responders of the authorities that the requester sees, and whether any is closer to its end than it should be. */
  revocationLifetimes(): Promise<LifetimeView[]>
}
