import type { Certificate } from '../../src/core/certificate.ts'
import type { CertificateRecord } from '../../src/core/listing/certificateRecord.ts'
import type { Call } from './operation.ts'
import { handOverTo, keyText } from './serverKey.ts'

/** PEM of the private key of a certificate, audited: handed over to who ordered it, where he has not had it; exported to who may. Throws Failure. */
export async function privateKeyOf(
  call: Call,
  record: CertificateRecord & { certificate: Certificate },
): Promise<string> {
  const handed = await handOverTo(call, record)
  return handed ?? keyText(await call.door.admin.exportKey({ id: record.certificate.id }))
}
