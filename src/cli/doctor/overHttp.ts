import { readCertificate } from '../../pki/certificateReader.ts'
import { pemDecode } from '../../pki/pem.ts'
import type { Cli } from '../cli.ts'
import * as authorities from '../operations/authority.ts'
import * as certificates from '../operations/certificate.ts'
import { askOcsp, crlCheck, notAsked, ocspCheck, ocspQuestion } from './answers.ts'
import { type Check, check, warn } from './check.ts'

/** CRL and OCSP of each authority at the URLs that stand in its certificates, as this machine reaches them. */
export async function httpChecks(cli: Cli): Promise<Check[]> {
  const checks: Check[] = []
  for (const { name, kind, enabled } of await cli.call(authorities.list, {})) {
    if (kind !== 'local' || !enabled) continue
    const { pem, crlUrl, ocspUrl, settings } = await cli.call(authorities.show, { name })
    const [own] = pemDecode(pem)
    if (!own || !crlUrl || !ocspUrl) continue
    const issuer = readCertificate(own.der)
    const issued = async (limit: number) => (await cli.call(certificates.list, { authority: name, limit })).rows
    const ocsp = await askOcsp(settings, issued, (serial) =>
      reached(ocspUrl, ocspPost(ocspQuestion(issuer, serial)), (der) => ocspCheck(der, issuer)),
    )
    checks.push(
      await reached(crlUrl, {}, (der) => crlCheck(der, issuer, new Date())),
      ocsp ?? { name: ocspUrl, ...notAsked },
    )
  }
  return checks
}

function ocspPost(question: Buffer): RequestInit {
  return { method: 'POST', headers: { 'content-type': 'application/ocsp-request' }, body: new Uint8Array(question) }
}

/** Not being reached is a warning: the world may see another network than this machine. A wrong answer is a failure. */
function reached(url: string, init: RequestInit, judge: (der: Buffer) => Omit<Check, 'name'>): Promise<Check> {
  return check(url, async () => {
    let response: Response
    try {
      response = await fetch(url, { ...init, signal: AbortSignal.timeout(5_000) })
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
      return warn(`not reached from here: ${cause instanceof Error ? cause.message : cause}`)
    }
    if (response.status !== 200) return { state: 'fail', detail: `answers with HTTP ${response.status}` }
    return judge(Buffer.from(await response.arrayBuffer()))
  })
}
