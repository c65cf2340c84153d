import type { UserView } from '../../src/core/admin.ts'

/** Somebody in an object. Names are unique over the installation and for ever: they are the ids of people here. */
export function personView(name: string): { id: string; name: string; email: string } {
  return { id: name, name, email: '' }
}

export function userView({ name, superuser, admin, enabled, createdAt }: UserView) {
  return {
    ...personView(name),
    username: name,
    is_active: enabled,
    is_staff: admin || superuser,
    is_superuser: superuser,
    date_joined: createdAt.toISOString(),
  }
}
