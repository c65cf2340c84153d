import type { Certificate } from '../../src/core/certificate.ts'
import type { Answer } from './answer.ts'
import { readCertId } from './certId.ts'
import { AcmeError } from './errors.ts'
import type { AcmeServer } from './server.ts'
import { keyHolder } from './signed.ts'
import { writeTime } from './time.ts'

/** Seconds. How soon clients learn of an incident; RFC 9773 section 4.3.1 reckons with six hours. */
const LONGEST = 21_600
const SHORTEST = 60
/** Seconds for which caches may answer in our place. */
const MAX_AGE = 300

interface Asked {
  profile: string
  certId: string
  source: string | undefined
}

/** RFC 9773 section 4: anybody may ask, of every certificate of the profile. */
export async function renewalInfo({ host }: AcmeServer, { profile: name, certId, source }: Asked): Promise<Answer> {
  const id = readCertId(certId)
  const door = host.core.as(keyHolder('', source))
  const profile = await door.profile(name, 'acme')
  const certificate = await door.findByCertId(id)
  if (certificate?.profileId !== profile.id)
    throw new AcmeError('malformed', 'no such certificate was issued here', { status: 404 })
  const { start, end, explanationUrl } = await door.renewalWindow(certificate)
  return {
    status: 200,
    json: {
      suggestedWindow: { start: writeTime(start.getTime()), end: writeTime(end.getTime()) },
      ...(explanationUrl === undefined ? {} : { explanationURL: explanationUrl }),
    },
    retryAfter: pause(certificate),
    cacheControl: `public, max-age=${Math.min(MAX_AGE, pause(certificate))}`,
  }
}

/** A certificate of a day cannot be asked after every six hours. */
function pause({ notBefore, notAfter }: Certificate): number {
  const share = Math.floor((notAfter.getTime() - notBefore.getTime()) / 24_000)
  return Math.max(SHORTEST, Math.min(LONGEST, share))
}
