/** @jsxImportSource hono/jsx */
import { createHash, randomUUID } from 'node:crypto'
import type { Failure } from '../../core/failure.ts'
import type { Simulation } from '../../core/issuance/simulate.ts'
import type { Succession } from '../../core/issuance/successor.ts'
import type { RaProfile } from '../../core/profile/profile.ts'
import { cut } from '../certificateName.ts'
import { problemTexts, sentence } from '../failurePage.tsx'
import { action, page, type Shown, type Visit } from '../page.ts'
import { Check, Field, PostForm, Trouble } from '../parts/form.tsx'
import { Head, Note, Tabs } from '../parts/panel.tsx'
import { PemField } from '../parts/pem.tsx'
import { lifetime } from '../parts/words.ts'
import {
  makesKey,
  type NextWay,
  nextOrder,
  nextWays,
  saidIn,
  simulatedNext,
  subjectInBrowser,
} from '../successorOrder.ts'
import { moveOn } from '../told.ts'
import { certificateIn } from './certificateDownload.tsx'
import type { CertificateView } from './certificateView.ts'
import { BrowserKey, KeyKind } from './newForm.tsx'
import { Foreseen } from './newOutcome.tsx'

interface Tried {
  simulation?: Simulation
  failure?: Failure
}

const titles = { renew: 'Renew', rekey: 'Rekey' } as const

async function nextPage(visit: Visit, how: Succession, { simulation, failure }: Tried = {}): Promise<Shown> {
  const view = await certificateIn(visit)
  const { uuid } = view.certificate
  const back = `/console/certificates/${uuid}`
  const values = visit.form.values()
  const ways = nextWays(view, how)
  const way = ways.find((one) => one === (values.way ?? visit.query.get('way'))) ?? ways[0] ?? 'csr'
  const profile = view.record.profile
    ? (await visit.door.serving({ uuid: view.record.profile.uuid })).profile
    : undefined
  const here = (one: NextWay) => `${back}/${how}?way=${one}`
  const tabs = ways.map((one) => ({ label: wayLabels[how][one], to: here(one) }))
  const body = (
    <>
      <Head title={`${titles[how]} ${cut(view.name, 60)}`} about={about[how]} />
      {ways.length > 1 && <Tabs label="Which key" tabs={tabs} here={here(way)} />}
      {failure && <Trouble detail={sentence(failure.detail)} problems={problemTexts(failure)} />}
      {simulation && <Foreseen simulation={simulation} />}
      <PostForm visit={visit} to={`${back}/${how}`} files id="order">
        <input type="hidden" name="way" value={way} />
        <input type="hidden" name="once" value={values.once ?? randomUUID()} />
        <WayFields way={way} how={how} view={view} profile={profile} values={values} />
        {profile && <Validity profile={profile} value={values.validity} />}
        {view.entry.locations.length > 0 && (
          <Check
            name="replace"
            checked={visit.form.checked('replace')}
            label="Put the new certificate into its locations, in place of this one"
          />
        )}
        <p class="after-form">
          <button type="submit" name="do" value="simulate">
            See what would become of it
          </button>
          <button type="submit" name="do" value="order" class="primary">
            {titles[how]}
          </button>
          <a href={back}>Leave it as it is</a>
        </p>
      </PostForm>
    </>
  )
  return { title: `${titles[how]} ${cut(view.name, 60)}`, section: 'certificates', body }
}

const about = {
  renew: 'A new certificate for the same names and the same key. This one stays as it is until it ends.',
  rekey: 'A new certificate for the same names and another key. This one stays as it is until it ends.',
} as const

const wayLabels = {
  renew: { stored: 'By the request that is kept', csr: 'By another request', server: '', browser: '', keystore: '' },
  rekey: {
    stored: '',
    csr: 'I have a request',
    server: 'The server makes the key',
    browser: 'My browser makes the key',
    keystore: 'The keystore makes the key',
  },
} as const satisfies Record<Succession, Record<NextWay, string>>

interface WayProps {
  way: NextWay
  how: Succession
  view: CertificateView
  profile: RaProfile | undefined
  values: Record<string, string>
}

function WayFields({ way, how, view, profile, values }: WayProps) {
  switch (way) {
    case 'stored':
      return <Note>The request that was sent for this certificate is kept: nothing needs to be sent again.</Note>
    case 'keystore':
      return <Note>The keystore makes a new key like the old one, which no key leaves.</Note>
    case 'csr': {
      const hint =
        how === 'renew'
          ? 'With the same key as this certificate.'
          : 'With another key, and the same subject as this certificate.'
      return (
        <PemField
          name="csr"
          label="Certificate request"
          value={values.csr}
          hint={`PKCS #10, as PEM or as base64 of DER. ${hint}`}
        />
      )
    }
    case 'server':
      return (
        <>
          <Note>The server makes the key and keeps it, sealed, to be downloaded as a PFX file.</Note>
          {profile && <KeyKind profile={profile} way="server" values={values} />}
        </>
      )
    case 'browser':
      return (
        <>
          <input type="hidden" name="names" value={view.certificate.identifiers.map(({ value }) => value).join('\n')} />
          {Object.entries(subjectInBrowser(view) ?? {}).map(([type, value]) => (
            <input type="hidden" name={`subject-${type}`} value={value} />
          ))}
          {profile && <KeyKind profile={profile} way="browser" values={values} />}
          <BrowserKey values={values} />
        </>
      )
  }
}

function Validity({ profile, value }: { profile: RaProfile; value: string | undefined }) {
  const { overrides, validity } = profile.settings.certificate
  if (!overrides.includes('validity')) return null
  const hint = `Like 90d or 12h: ${lifetime(validity.max)} at most, ${lifetime(validity.default)} where it is left empty.`
  return <Field name="validity" label="Good for" value={value} maxlength={10} hint={hint} />
}

/** Simulates or orders, by the button. */
async function act(visit: Visit, how: Succession): Promise<Shown | Response> {
  const view = await certificateIn(visit)
  const { door, form, requester } = visit
  await door.inventory.refuseArchived(view.certificate.id)
  if (form.raw('do', 20) === 'simulate')
    return nextPage(visit, how, { simulation: await door.simulate(await simulatedNext(visit, view, how)) })
  const { draft, claim, refused } = await nextOrder(visit, view, how)
  const request64 = makesKey(visit) ? '' : draft.csr?.der.toString('base64')
  const once = [requester.ref, ...saidIn(visit, view, how), request64]
  const ref = createHash('sha256').update(JSON.stringify(once)).digest('base64url')
  const { request } = await door.sign({ origin: { protocol: 'console', ref }, ...draft }, claim)
  if (request.status === 'denied') await refused?.()
  return moveOn(visit, `/console/new/done/${request.uuid}`)
}

export const certificateRenewPages = (['renew', 'rekey'] as const).flatMap((how) => [
  page(`/certificates/:uuid/${how}`, (visit) => nextPage(visit, how)),
  action(`/certificates/:uuid/${how}`, (visit) => act(visit, how), {
    again: (visit, failure) => nextPage(visit, how, { failure }),
  }),
])
