import type { Core } from '../core/core.ts'
import { Failure } from '../core/failure.ts'
import type { Requester } from '../core/requester.ts'

/** How the caller says who he is; with neither he is whoever the data folder let in. */
export type Credentials = { token: string } | { user: string; password: string } | undefined

/** Throws Failure('unauthenticated'): a wrong token or password never falls back to the local operator. */
export async function requesterOf({ authentication }: Core, credentials: Credentials): Promise<Requester> {
  if (!credentials) return localOperator()
  if ('token' in credentials) {
    const requester = await authentication.token(credentials.token)
    if (!requester)
      throw new Failure('unauthenticated', 'the token is unknown, revoked, past its time, or of a user who is disabled')
    return requester
  }
  const requester = await authentication.password(credentials.user, credentials.password)
  if (!requester) throw new Failure('unauthenticated', 'the name or the password is wrong')
  return requester
}

/** Whoever may read and write the data folder: docs/operate/local-operator.md says what he may, and what not. */
function localOperator(): Requester {
  const uid = process.getuid?.()
  return {
    kind: 'system',
    ref: 'cli',
    name: uid === undefined ? 'local operator' : `local operator (uid ${uid})`,
    people: [],
  }
}
