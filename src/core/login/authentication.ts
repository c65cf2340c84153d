import { Failure } from '../failure.ts'
import { findUser } from '../identity/identity.ts'
import type { Installation } from '../installation.ts'
import type { Requester } from '../requester.ts'
import { certificateOwner } from './certificateLogin.ts'
import { setPassword, useSetupLink, verifyPassword } from './login.ts'
import { guarded } from './loginGuard.ts'
import { createOidc, type Oidc } from './oidc.ts'
import { findSession, type LoginPlace, logOut, type OpenedSession, openSession } from './session.ts'
import { findToken, looksLikeToken } from './token.ts'

/** How it is learned who asks: by the console, the command line, and adapters of programs and people. */
export interface Authentication {
  /** Undefined for a token that is unknown, revoked, past its time, or whose user is disabled. */
  token(text: string): Promise<Requester | undefined>
  /** As `token`, and for an access token (JWT) of the OpenID provider; undefined for one that is not good here. Throws Failure('unavailable') when the provider's keys cannot be had. */
  bearer(text: string): Promise<Requester | undefined>
  /** Undefined for a session that is unknown or has ended, or whose user is disabled. `unasked`: a program looks by itself, which keeps no session from its end. */
  session(secret: string, how?: { unasked?: boolean }): Promise<Requester | undefined>
  /** `der`: shown by whoever has proved in TLS that he holds its key. Undefined unless it is bound to a user, and good at this moment (docs/operate/identities.md). */
  certificate(shown: { der: Buffer }): Promise<Requester | undefined>
  /** Undefined alike for an unknown name and a wrong password. Throws Failure('rateLimited') after too many; without a source it is this machine's own. */
  password(name: string, password: string, place?: LoginPlace): Promise<Requester | undefined>
  /** As `password`, and opens a session. */
  login(name: string, password: string, place: LoginPlace): Promise<OpenedSession | undefined>
  /** Ends the session, if there is one still. */
  logout(secret: string): Promise<void>
  /** Logging in with the OpenID provider; absent where none is configured. */
  oidc?: Pick<Oidc, 'begin' | 'finish'>
  /** Sets the first or a new password by a one-time secret; answers the user's name. Throws Failure('unauthenticated' | 'malformed' | 'rateLimited'). */
  usePasswordLink(secret: string, password: string, place?: LoginPlace): Promise<string>
  /** Replaces a password by one who knows it, and ends all his sessions. Throws Failure('unauthenticated' | 'malformed' | 'rateLimited'). */
  changePassword(name: string, password: string, next: string, place?: LoginPlace): Promise<void>
}

export function createAuthentication(it: Installation): Authentication {
  const { db, clock } = it
  const oidc = it.oidc && createOidc(it, it.oidc)
  const password: Authentication['password'] = async (name, given, place = {}) => {
    const { source } = place
    const known = await guarded(it, { name, source }, () => verifyPassword(db, name, given))
    return known && source !== undefined ? { ...known, source } : known
  }
  return {
    token: (text) => findToken(db, text, clock()),
    bearer: async (text) => (looksLikeToken(text) ? findToken(db, text, clock()) : oidc?.bearer(text)),
    session: (secret, how) => findSession(it, secret, how),
    certificate: ({ der }) => certificateOwner(it, der),
    password,
    login: async (name, given, place) => {
      const [id] = (await password(name, given, place))?.people ?? []
      const user = id === undefined ? undefined : await findUser(db, id)
      return user && openSession(it, user, { method: 'password', place })
    },
    logout: (secret) => logOut(it, secret),
    ...(oidc ? { oidc: { begin: oidc.begin, finish: oidc.finish } } : {}),
    usePasswordLink: async (secret, next, { source } = {}) => {
      const refused: { failure?: Failure } = {}
      const name = await guarded(it, { source }, async () => {
        try {
          return (await useSetupLink(db, secret, next, clock())).name
        } catch (error) {
          if (!(error instanceof Failure) || error.code !== 'unauthenticated') throw error
          refused.failure = error
          return undefined
        }
      })
      if (name === undefined) throw refused.failure
      return name
    },
    changePassword: async (name, given, next, place) => {
      const actor = await password(name, given, place)
      const [id] = actor?.people ?? []
      if (!actor || id === undefined) throw new Failure('unauthenticated', 'the name or the password is wrong')
      await setPassword(db, { actor, at: clock() }, id, next)
    },
  }
}
