import type { Certificate } from '../../src/core/certificate.ts'
import { Failure } from '../../src/core/failure.ts'
import type { Exchange } from './exchange.ts'

/** Throws Failure('forbidden') where the profile renews this certificate later; by whichever operation it is asked. */
export function refuseEarly({ options, now }: Exchange, { notAfter }: Certificate): void {
  const { window } = options.reenroll
  if (window === undefined) return
  const from = notAfter.getTime() - window
  const wait = Math.ceil((from - now.getTime()) / 1000)
  if (wait <= 0) return
  const detail = `the certificate is renewed from ${new Date(from).toISOString()} on`
  throw new Failure('forbidden', detail, { retryAfter: wait })
}
