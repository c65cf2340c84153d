import { asRequester } from '../../../src/core/identity/identity.ts'
import type { Rows } from '../row.ts'
import type { Scene } from '../scene.ts'
import { like, listing, own } from './like.ts'

const CHALLENGES = '/v1/countersign/challenges'
const uuid = ({ params }: { params: { uuid?: string } }) => ({ uuid: params.uuid })
const profile = 'inner-open'

/** The door of the superuser. */
function doorOf({ app, callers: { superuser } }: Scene) {
  if (superuser === null || typeof superuser === 'string') throw new Error('no superuser')
  return app.world.core.as(asRequester(superuser))
}

async function credential(scene: Scene, kind: 'eab' | 'cmc' | 'cmp' | 'kek'): Promise<string> {
  const { view } = await doorOf(scene).admin.createCredential({ kind, profile })
  return view.uuid
}

function credentials(kind: 'eab' | 'cmc' | 'cmp' | 'kek'): Rows {
  return {
    [`${kind}.ls`]: listing({ needs: 'manage' }, (scene) => credential(scene, kind)),
    [`${kind}.create`]: own({ needs: 'manage' }, () => ({ profile })),
    [`${kind}.revoke`]: own({ needs: 'manage' }, async (scene) => ({ uuid: await credential(scene, kind) })),
  }
}

const fixed = 'a static challenge of some length'

/** With what devices and clients prove who they are. */
export const credentialOperations: Rows = {
  ...credentials('eab'),
  ...credentials('cmc'),
  ...credentials('cmp'),
  ...credentials('kek'),
  'challenge.ls': like(`GET ${CHALLENGES}`),
  'challenge.create': like(`POST ${CHALLENGES}`, ({ body }) => ({ profile: body.profile, ...body.identifiers })),
  'challenge.revoke': like(`DELETE ${CHALLENGES}/{uuid}`, uuid),
  'challenge.set-static': own({ needs: 'manage' }, () => ({ profile, challenge: fixed })),
  'challenge.clear-static': own({ needs: 'manage', hidden: true }, async (scene) => {
    await doorOf(scene).admin.setStaticChallenge({ profile, challenge: fixed })
    return { profile }
  }),
  'challenge.webhook-secret': own({ needs: 'manage' }, () => ({ profile })),
}
