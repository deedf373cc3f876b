// Finding and making elements.

/** The element of index.html with this id; what is not there is a slip of ours. */
export function find<Name extends keyof HTMLElementTagNameMap = 'div'>(id: string): HTMLElementTagNameMap[Name] {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no #${id}`);
  return element as HTMLElementTagNameMap[Name];
}

/** A new element with text or children. */
export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: { class?: string; text?: string } = {},
  ...children: readonly Node[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  if (properties.class !== undefined) element.className = properties.class;
  if (properties.text !== undefined) element.textContent = properties.text;
  element.append(...children);
  return element;
}

/** An option of a select. */
export function option(value: string, text: string, { disabled = false, selected = false } = {}): HTMLOptionElement {
  const element = make('option', { text });
  Object.assign(element, { value, disabled });
  if (selected) element.defaultSelected = true;
  return element;
}
