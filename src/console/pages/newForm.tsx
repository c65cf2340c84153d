/** @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx'
import type { RaProfile } from '../../core/profile/profile.ts'
import { assets } from '../assets.ts'
import { askedSubject, kindsOf, type Way } from '../newOrder.ts'
import type { Visit } from '../page.ts'
import { Field, PostForm, Select } from '../parts/form.tsx'
import { PemField } from '../parts/pem.tsx'
import { lifetime } from '../parts/words.ts'
import { type Asked, fieldOf } from '../requestAttributes.ts'

interface FormProps {
  visit: Visit
  profile: RaProfile
  way: Way
  asked: readonly Asked[]
  /** What was filled in before. */
  values: Readonly<Record<string, string>>
  /** The form as it was first shown: sent twice it is one order. */
  once: string
}

const subjectLabels = {
  C: ['Country', 'Two letters.'],
  ST: ['State or province', ''],
  L: ['Locality', ''],
  O: ['Organization', ''],
  OU: ['Organizational unit', ''],
  CN: ['Common name', 'Most often one of the names; the first of them where it is left empty.'],
} as const

/** What is filled in to order over a profile. */
export function OrderForm({ visit, profile, way, asked, values, once }: FormProps) {
  return (
    <PostForm visit={visit} to={`/console/new/${encodeURIComponent(profile.name)}`} files id="order">
      <input type="hidden" name="way" value={way} />
      <input type="hidden" name="once" value={once} />
      {way === 'csr' && <Pasted values={values} />}
      <Names profile={profile} way={way} values={values} />
      <Subject profile={profile} way={way} values={values} />
      {way !== 'csr' && <KeyKind profile={profile} way={way} values={values} />}
      {way === 'browser' && <BrowserKey values={values} />}
      <Variant profile={profile} values={values} />
      <Validity profile={profile} values={values} />
      {asked.length > 0 && (
        <fieldset class="form">
          <legend>About the certificate</legend>
          {asked.map((one) => (
            <Attribute one={one} values={values} chosen={visit.form.all(fieldOf(one))} />
          ))}
        </fieldset>
      )}
      <p class="after-form">
        <button type="submit" name="do" value="simulate">
          See what would become of it
        </button>
        <button type="submit" name="do" value="order" class="primary">
          Request certificate
        </button>
      </p>
    </PostForm>
  )
}

type Values = Pick<FormProps, 'values'>
type Part = Pick<FormProps, 'profile' | 'way' | 'values'>

function Pasted({ values }: Values) {
  return (
    <PemField
      name="csr"
      label="Certificate request"
      value={values.csr}
      hint="PKCS #10, as PEM or as base64 of DER. Paste it, or drop the file onto the field. Keep the private key to yourself."
    />
  )
}

function Names({ profile, way, values }: Part) {
  const { names } = profile.settings.certificate
  const kinds = [
    names.dns.length > 0 &&
      (names.dns.includes('**') ? 'DNS names' : `DNS names (${names.dns.slice(0, 5).join(', ')})`),
    names.ip.length > 0 && 'IP addresses',
    names.email.length > 0 && 'e-mail addresses',
    names.uri.length > 0 && 'URIs',
  ].filter((kind) => kind !== false)
  const allowed =
    kinds.length > 0 ? `This profile certifies ${kinds.join(', ')}.` : 'This profile certifies no such names.'
  return (
    <Field
      name="names"
      label={way === 'csr' ? 'Names, instead of those in the request' : 'Names'}
      value={values.names}
      rows={3}
      code
      hint={`One a line, ${names.max} at most. ${allowed}`}
      either={way !== 'csr'}
    />
  )
}

function Subject({ profile, way, values }: Part) {
  const types = askedSubject(profile)
  if (types.length === 0) return null
  return (
    <details class="more" open={types.some((type) => values[`subject-${type}`])}>
      <summary>{way === 'csr' ? 'Subject, instead of that in the request' : 'Subject'}</summary>
      <div class="form two">
        {types.map((type) => {
          const [label, hint] = subjectLabels[type]
          return (
            <Field
              name={`subject-${type}`}
              label={label}
              value={values[`subject-${type}`]}
              maxlength={type === 'C' ? 2 : 64}
              hint={hint}
            />
          )
        })}
      </div>
    </details>
  )
}

export function KeyKind({ profile, way, values }: Part) {
  const kinds = kindsOf(profile, way)
  if (kinds.length === 0)
    return <p class="note warn">The browser makes no kind of key that this profile takes: choose another way.</p>
  const chosen = values.kind ?? (kinds.includes('P-256') ? 'P-256' : kinds[0])
  return (
    <Select
      name="kind"
      label="Key"
      value={chosen}
      required
      choices={kinds.map((kind) => ({ value: kind, label: kind }))}
    />
  )
}

/** keys.js fills the request in, and offers the private key as a file. */
export function BrowserKey({ values }: Values) {
  return (
    <>
      <noscript>
        <p class="note warn">
          Your browser makes the key by a script, and scripts are switched off: choose another way.
        </p>
      </noscript>
      <div class="keys" data-keys hidden>
        <button type="button">Make the key</button> <span role="status" />
      </div>
      <Field name="csr" label="Request that your browser has made" value={values.csr} rows={5} code either />
      <script src={assets().keys.url} defer />
    </>
  )
}

function Variant({ profile, values }: Pick<FormProps, 'profile' | 'values'>) {
  const variants = Object.entries(profile.settings.variants)
  if (variants.length === 0) return null
  const choices = [
    { value: '', label: 'As the profile says' },
    ...variants.map(([name, { description }]) => ({
      value: name,
      label: description ? `${name}: ${description.slice(0, 100)}` : name,
    })),
  ]
  return <Select name="variant" label="Kind of certificate" value={values.variant ?? ''} choices={choices} />
}

function Validity({ profile, values }: Pick<FormProps, 'profile' | 'values'>) {
  const { overrides, validity } = profile.settings.certificate
  if (!overrides.includes('validity')) return null
  return (
    <Field
      name="validity"
      label="Good for"
      value={values.validity}
      maxlength={10}
      pattern="[1-9][0-9]{0,5}\s*[mhdy]?"
      hint={`Like 90d or 12h: ${lifetime(validity.max)} at most, ${lifetime(validity.default)} where it is left empty.`}
    />
  )
}

const inputTypes: Partial<Record<Asked['contentType'], string>> = {
  integer: 'number',
  date: 'date',
  time: 'time',
  datetime: 'datetime-local',
}

/** One thing to fill in; `chosen`: of several choices. */
export function Attribute(props: { one: Asked; values: FormProps['values']; chosen: readonly string[] }) {
  const { one, values, chosen } = props
  const { label, description, contentType, required, choices, several } = one
  const name = fieldOf(one)
  const value = values[name]
  const common = { name, label, value, hint: hintOf(one), required }
  if (contentType === 'boolean') {
    const yesNo = [
      { value: 'true', label: 'Yes' },
      { value: 'false', label: 'No' },
    ]
    return <Select {...common} choices={required ? yesNo : [{ value: '', label: 'Not said' }, ...yesNo]} />
  }
  if (choices && several) {
    return (
      <fieldset>
        <legend>{label}</legend>
        {description && <p class="hint">{description}</p>}
        {choices.map(
          (choice): Child => (
            <label class="choice">
              <input type="checkbox" name={name} value={String(choice)} checked={chosen.includes(String(choice))} />{' '}
              {String(choice)}
            </label>
          ),
        )}
      </fieldset>
    )
  }
  if (choices) {
    const listed = choices.map((choice) => ({ value: String(choice), label: String(choice) }))
    return <Select {...common} choices={[{ value: '', label: required ? 'Choose' : 'Not said' }, ...listed]} />
  }
  if (several || contentType === 'text') return <Field {...common} rows={3} />
  return <Field {...common} type={inputTypes[contentType] ?? 'text'} />
}

function hintOf({ description, several, contentType }: Asked): string {
  return [
    description,
    several ? 'One a line.' : '',
    contentType === 'datetime' || contentType === 'time' ? 'In UTC.' : '',
  ]
    .filter((text) => text !== '')
    .join(' ')
}
