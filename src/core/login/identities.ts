import type { UserView } from '../admin.ts'
import type { AdminContext } from '../adminActor.ts'
import { actorOf } from '../adminActor.ts'
import { Failure } from '../failure.ts'
import { findUser } from '../identity/identity.ts'
import { deletedRole, newRole, type RoleView, viewRole, viewRoles } from '../identity/roleAdmin.ts'
import { viewUser } from '../identity/userView.ts'
import type { Installation } from '../installation.ts'
import type { Requester } from '../requester.ts'
import { type BindingDraft, type BindingView, bind, unbind, viewBindings } from './binding.ts'
import { endSession, endSessions, type SessionView, viewSessions } from './sessionView.ts'
import { removedUser } from './userAdmin.ts'

/** People, how they log in, and what they may. Each authorises; nothing of another organization is there: notFound. */
export interface Identities {
  /** Whoever asks. Throws Failure('forbidden') for one who is no user. */
  me(): Promise<UserView>
  /** Open ones, the newest first: one's own, those of the organization for its administrator, all for a superuser. */
  sessions(user?: string): Promise<SessionView[]>
  /** Throws Failure('notFound') for one that the requester may not end. */
  endSession(uuid: string): Promise<void>
  /** All of a user's: himself, or an administrator. Answers how many. */
  endSessions(user: string): Promise<number>
  /** By name: those of the organization for its administrator, all for a superuser, his own for anybody else. */
  roles(): Promise<RoleView[]>
  role(uuid: string): Promise<RoleView>
  /** Needs an administrator, as all below. Throws Failure('conflict') for a name that is taken. */
  createRole(draft: { name: string; organization?: string }): Promise<RoleView>
  /** With its members' membership and all that was granted to it. */
  deleteRole(uuid: string): Promise<void>
  /**
   * Disables a user for good, takes his tokens, roles and capabilities and ends his sessions. The row stays, since records
   * name him, and so does his name. Throws Failure('conflict') for the last superuser, and for oneself.
   */
  removeUser(name: string): Promise<void>
  /** Whether there was a user of that name who has been removed for good: for what is kept beside users. */
  wasRemoved(name: string): Promise<boolean>
  /** How else than by password a user logs in. */
  bindings(user: string): Promise<BindingView[]>
  /**
   * A certificate of ours or a subject of an OpenID provider speaks for the user from now on. Throws Failure: conflict for
   * one that speaks for somebody already; forbidden, see requireGiver.
   */
  bind(user: string, draft: BindingDraft): Promise<BindingView>
  unbind(uuid: string): Promise<void>
}

export function createIdentities(it: Installation, requester: Requester): Identities {
  const context: AdminContext = { it, requester }
  return {
    me: async () => {
      const { user } = await actorOf(it.db, requester)
      if (!user) throw new Failure('forbidden', 'this needs a user: a session or a token')
      return viewUser(it.db, user.id)
    },
    sessions: (user) => viewSessions(context, user),
    endSession: (uuid) => endSession(context, uuid),
    endSessions: (user) => endSessions(context, user),
    roles: () => viewRoles(context),
    role: (uuid) => viewRole(context, uuid),
    createRole: (draft) => newRole(context, draft),
    deleteRole: (uuid) => deletedRole(context, uuid),
    removeUser: (name) => removedUser(context, name),
    wasRemoved: async (name) => (await findUser(context.it.db, { name }))?.removed === true,
    bindings: (user) => viewBindings(context, user),
    bind: (user, draft) => bind(context, user, draft),
    unbind: (uuid) => unbind(context, uuid),
  }
}
