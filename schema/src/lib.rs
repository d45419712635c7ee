//! `#[derive(Schema)]`: the JSON Schema of what `serde` makes of a struct or of an enum of words, doc comments included.
//!
//! Knows the attributes of `serde` that documents use, and refuses others: a schema is right or does not compile.

use proc_macro2::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, ExprLit, Field, Fields, Lit, Meta, Result, Token, Variant,
};

/// Implements `pipeline::schema::Schema`.
#[proc_macro_derive(Schema)]
pub fn derive_schema(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    implementation(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

fn implementation(input: &DeriveInput) -> Result<TokenStream> {
    let (ident, doc, own) = (&input.ident, doc(&input.attrs)?, Serde::of(&input.attrs)?);
    let name = ident.to_string();
    let body = match &input.data {
        Data::Struct(data) => object(&data.fields, &own)?,
        Data::Enum(data) => words(data.variants.iter(), &own)?,
        Data::Union(_) => return Err(Error::new_spanned(ident, "a union has no schema")),
    };
    let (generics, types, conditions) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::pipeline::schema::Schema for #ident #types #conditions {
            fn schema(definitions: &mut ::pipeline::schema::Definitions) -> ::pipeline::schema::Value {
                definitions.named(#name, #doc, |definitions| { #body })
            }
        }
    })
}

fn object(fields: &Fields, own: &Serde) -> Result<TokenStream> {
    if own.rename_all.is_some() {
        return Err(Error::new_spanned(fields, "fields are not renamed all at once"));
    }
    let mut calls = Vec::new();
    for field in fields {
        let Field { attrs, ident, ty, .. } = field;
        let ident = ident
            .as_ref()
            .ok_or_else(|| Error::new_spanned(field, "a field needs a name"))?;
        let (doc, serde) = (doc(attrs)?, Serde::of(attrs)?);
        if doc.is_empty() {
            return Err(Error::new_spanned(
                field,
                "a field needs a doc comment: it is its description",
            ));
        }
        let (name, optional) = (serde.rename.unwrap_or_else(|| ident.to_string()), serde.optional);
        calls.push(quote! { .field::<#ty>(definitions, #name, #doc, #optional) });
    }
    Ok(quote! { ::pipeline::schema::Object::default() #(#calls)* .finish() })
}

fn words<'a>(variants: impl Iterator<Item = &'a Variant>, own: &Serde) -> Result<TokenStream> {
    let mut words = Vec::new();
    for variant in variants {
        let (doc, serde) = (doc(&variant.attrs)?, Serde::of(&variant.attrs)?);
        if !variant.fields.is_empty() {
            return Err(Error::new_spanned(
                variant,
                "a variant is a word and has no fields",
            ));
        }
        let name = variant.ident.to_string();
        let word = match (serde.rename, own.rename_all.as_deref()) {
            (Some(word), _) => word,
            (None, Some("snake_case")) => snake_case(&name),
            (None, None) => name,
            (None, Some(_)) => return Err(Error::new_spanned(variant, "words are in snake_case")),
        };
        words.push(quote! { (#word, #doc) });
    }
    Ok(quote! {{
        let _ = definitions;
        ::pipeline::schema::words(&[#(#words),*])
    }})
}

/// What `serde` is told.
#[derive(Default)]
struct Serde {
    rename: Option<String>,
    rename_all: Option<String>,
    /// Whether the field can be missing.
    optional: bool,
}

impl Serde {
    fn of(attributes: &[Attribute]) -> Result<Self> {
        let mut serde = Self::default();
        for attribute in attributes
            .iter()
            .filter(|attribute| attribute.path().is_ident("serde"))
        {
            let parts = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?;
            for part in parts {
                let word = part
                    .path()
                    .get_ident()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                match word.as_str() {
                    "rename" => serde.rename = Some(text(&part)?),
                    "rename_all" => serde.rename_all = Some(text(&part)?),
                    "skip_serializing_if" => serde.optional = true,
                    "default" => {}
                    _ => return Err(Error::new_spanned(part, "schemas do not know this attribute")),
                }
            }
        }
        Ok(serde)
    }
}

/// The text of `name = "text"`.
fn text(meta: &Meta) -> Result<String> {
    match &meta.require_name_value()?.value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text), ..
        }) => Ok(text.value()),
        other => Err(Error::new_spanned(other, "not a text")),
    }
}

/// Doc comments as one paragraph.
fn doc(attributes: &[Attribute]) -> Result<String> {
    let lines = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .map(|attribute| Ok(text(&attribute.meta)?.trim().to_owned()))
        .collect::<Result<Vec<_>>>()?;
    Ok(lines.join(" ").trim().to_owned())
}

fn snake_case(name: &str) -> String {
    let mut word = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.extend(letter.to_lowercase());
    }
    word
}
