import { asRequester } from '../../../src/core/identity/identity.ts'
import { certificateOf, foreignRoot } from '../../helpers/crossSigned.ts'
import { foreignCa } from '../../helpers/foreignCa.ts'
import type { Rows } from '../row.ts'
import { THERE } from '../rows/inventory.ts'
import type { Scene } from '../scene.ts'
import { like, own } from './like.ts'

const OURS = '/v1/countersign/authorities'

async function imported({ app, call, name }: Scene) {
  const authority = name()
  const { withKey } = await foreignCa(app.world.time.now, { name: authority })
  await call('post', OURS, { kind: 'import', name: authority, pem: withKey })
  return { name: authority, crlNumber: '7' }
}

async function made({ call, name }: Scene): Promise<string> {
  const own = name()
  await call('post', OURS, { kind: 'local', name: own, parent: 'root', subject: 'CN=inner', validity: '5y' })
  return own
}

/** Another certificate for the key of an authority, with the root that signed it. */
async function crossed(scene: Scene) {
  const name = await made(scene)
  const { core, time } = scene.app.world
  const { chain } = await core.as(doorOf(scene)).admin.authority(name)
  const other = await foreignRoot(scene.name(), time.now)
  return { name, pem: `${await other.cross(certificateOf(chain[0]))}${other.pem}` }
}

async function chained(scene: Scene) {
  const { name, pem } = await crossed(scene)
  const [chain] = await scene.app.world.core.as(doorOf(scene)).admin.addChain(name, pem)
  return { name, chain: chain?.id }
}

const doorOf = ({ callers }: Scene) => {
  const { superuser } = callers
  if (superuser === null || typeof superuser === 'string') throw new Error('no superuser')
  return asRequester(superuser)
}

let crls = 1n
/** What a stranger may make for his own organization is no name of the first one. */
const theirs = (name: string): string => name.replace('inner', 'made')
const SILENT = 'Tried on a CA that does not answer: 503 to who may. A stranger does so for his own organization.'

/** Authorities, with what goes in and out of them. */
export const authorityOperations: Rows = {
  'authority.ls': like(`GET ${OURS}`),
  'authority.show': like(`GET ${OURS}/{name}`, ({ params: { name } }) => ({ name })),
  'authority.crl': like(`GET ${OURS}/{name}`, ({ params: { name } }) => ({ name })),
  'authority.chains': like(`GET ${OURS}/{name}`, ({ params: { name } }) => ({ name })),
  'authority.create': like(`POST ${OURS}`, ({ body: { kind: _, ...draft } }) => draft),
  'authority.change': like(`PATCH ${OURS}/{name}`, ({ params: { name }, body }) => ({ name, ...body })),
  'authority.import': own({ needs: 'create_ca', but: { stranger: 'yes' }, note: THERE }, async ({ app, name }) => {
    const own = theirs(name())
    return { name: own, pem: (await foreignCa(app.world.time.now, { name: own })).withKey }
  }),
  'authority.add-manual': own({ needs: 'create_ca', but: { stranger: 'yes' }, note: THERE }, async ({ app, name }) => {
    const own = theirs(name())
    return { name: own, pem: (await foreignCa(app.world.time.now, { name: own })).certificate }
  }),
  'authority.add-acme': own(
    { needs: 'create_ca', but: { stranger: 'yes' }, answers: 503, note: SILENT },
    ({ name }) => ({
      name: name(),
      directory: 'https://127.0.0.1:1/directory',
    }),
  ),
  'authority.register': own(
    { needs: 'manage', answers: 400, note: 'Tried on an authority without a CA upstream: 400 to who may.' },
    () => ({ name: 'issuing' }),
  ),
  'authority.import-crl': own({ needs: 'manage' }, imported),
  'authority.upload-crl': own({ needs: 'manage' }, async ({ manual }) => {
    crls += 1n
    return { name: manual.by.name, crl: (await manual.by.ca.crl({ number: crls })).toString('base64') }
  }),
  'authority.upload-responder': own({ needs: 'manage' }, async ({ manual }) => ({
    name: manual.by.name,
    pem: (await manual.by.ca.responder()).pem,
  })),
  'authority.add-chain': own({ needs: 'manage' }, crossed),
  'authority.remove-chain': own({ needs: 'manage' }, chained),
  'authority.rollover.show': like(`GET ${OURS}/{name}/rollover`, ({ params: { name } }) => ({ name })),
  'authority.rollover.prepare': like(`POST ${OURS}/{name}/rollover`, ({ params: { name } }) => ({ name })),
  'authority.rollover.upload': like(`POST ${OURS}/{name}/rollover/upload`, ({ params: { name }, body }) => ({
    name,
    ...body,
  })),
  'authority.rollover.activate': like(`POST ${OURS}/{name}/rollover/activate`, ({ params: { name } }) => ({ name })),
  'authority.rollover.cancel': like(`POST ${OURS}/{name}/rollover/cancel`, ({ params: { name } }) => ({ name })),
}
