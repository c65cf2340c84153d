import { readKeptRequest } from '../../pki/crmf.ts'
import { type Csr, parseCsr } from '../../pki/csr.ts'
import { PkiError } from '../../pki/error.ts'
import { Failure } from '../failure.ts'

/** Reads a PKCS#10 request (DER) and checks its self-signature. Throws Failure('badCsr' | 'badAlgorithm') with what is wrong. */
export function parsePkcs10(der: Buffer, options: { allowSha1?: boolean } = {}): Csr {
  return asBadCsr(() => parseCsr(der, options))
}

/** Reads the request of a record, PKCS #10 or CRMF, which was accepted before it was stored. */
export function keptCsr(der: Buffer): Csr {
  return asBadCsr(() => readKeptRequest(der))
}

/** Runs something that reads parts of a CSR; what src/pki refuses becomes a Failure. */
export function asBadCsr<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    const code = error.kind === 'unsupported' ? 'badAlgorithm' : 'badCsr'
    throw new Failure(code, `the certificate request cannot be used: ${error.message}`, { cause: error })
  }
}
