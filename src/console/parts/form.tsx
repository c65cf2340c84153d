/** @jsxImportSource hono/jsx */
import type { Child } from 'hono/jsx'
import type { Visit } from '../page.ts'

interface FormProps {
  visit: Pick<Visit, 'csrf'>
  to: string
  children?: Child
  /** For a file. */
  files?: boolean
  class?: string
  id?: string
}

/** A form that posts to a path of the console, with the session's token in it. */
export function PostForm({ visit, to, children, files, class: name, id }: FormProps) {
  return (
    <form method="post" action={to} class={name ?? 'form'} id={id} enctype={files ? 'multipart/form-data' : undefined}>
      <input type="hidden" name="csrf" value={visit.csrf} />
      {children}
    </form>
  )
}

/** One button that posts, and nothing to fill in. `name`/`value` say what, where one path does several things. */
export function PostButton(props: {
  visit: Pick<Visit, 'csrf'>
  to: string
  label: Child
  kind?: 'primary' | 'danger' | 'plain'
  fields?: Record<string, string>
  /** What a browser with scripts asks before it posts. */
  ask?: string
}) {
  const { visit, to, label, kind = 'plain', fields = {}, ask } = props
  return (
    <PostForm visit={visit} to={to} class="inline">
      {Object.entries(fields).map(([name, value]) => (
        <input type="hidden" name={name} value={value} />
      ))}
      <button type="submit" class={kind} data-ask={ask}>
        {label}
      </button>
    </PostForm>
  )
}

interface FieldProps {
  name: string
  label: string
  value?: string | undefined
  /** Below the field: what it is for, how it looks. */
  hint?: Child
  type?: string
  required?: boolean
  autocomplete?: string
  placeholder?: string
  minlength?: number
  maxlength?: number
  pattern?: string
  inputmode?: 'numeric' | 'email' | 'search' | 'url' | 'text'
  autofocus?: boolean
  /** Of a text area. */
  rows?: number
  /** Text of a machine: names, PEM, expressions. */
  code?: boolean
  /** Of a text area: a file that is dropped onto it is its text. */
  drop?: boolean
  /** Says nothing about being optional: where one of several fields is needed. */
  either?: boolean
}

/** A labelled field; with `rows` a text area. */
export function Field(props: FieldProps) {
  const { name, label, hint, rows, code, value, drop, either, ...rest } = props
  const id = `field-${name}`
  const common = {
    id,
    name,
    class: code ? 'code' : undefined,
    spellcheck: code ? false : undefined,
    'aria-describedby': hint ? `${id}-hint` : undefined,
    'data-drop': drop ? '' : undefined,
    ...rest,
  }
  return (
    <div class="field">
      <label for={id}>
        {label}
        {rest.required || either ? '' : <span class="quiet"> (optional)</span>}
      </label>
      {rows ? (
        <textarea {...common} rows={rows}>
          {value ?? ''}
        </textarea>
      ) : (
        <input type="text" value={value} {...common} />
      )}
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  )
}

export interface Choice {
  value: string
  label: string
}

/** A labelled list of choices. */
export function Select(props: {
  name: string
  label: string
  choices: readonly Choice[]
  value?: string | undefined
  hint?: Child
  required?: boolean
}) {
  const { name, label, choices, value, hint, required } = props
  const id = `field-${name}`
  return (
    <div class="field">
      <label for={id}>
        {label}
        {required ? '' : <span class="quiet"> (optional)</span>}
      </label>
      <select id={id} name={name} required={required} aria-describedby={hint ? `${id}-hint` : undefined}>
        {choices.map((choice) => (
          <option value={choice.value} selected={choice.value === value}>
            {choice.label}
          </option>
        ))}
      </select>
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  )
}

/** A labelled tick. */
export function Check(props: { name: string; label: Child; checked?: boolean; value?: string; hint?: Child }) {
  const { name, label, checked, value, hint } = props
  return (
    <div class="field check">
      <label>
        <input type="checkbox" name={name} value={value} checked={checked} /> {label}
      </label>
      {hint && <p class="hint">{hint}</p>}
    </div>
  )
}

/** What is wrong with what was sent, at the head of the form that is shown again. */
export function Trouble({ detail, problems = [] }: { detail: string; problems?: readonly string[] | undefined }) {
  return (
    <div class="note bad" role="alert">
      <p>{detail}</p>
      {problems.length > 0 && (
        <ul>
          {problems.map((problem) => (
            <li>{problem}</li>
          ))}
        </ul>
      )}
    </div>
  )
}
