//! Enums whose wire tags are written by hand.

/// Declares an enum whose wire tags are written by hand: a derive would number the variants by
/// position, and moving a line would change the protocol. A number is never used again.
macro_rules! wire_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$variant_meta:meta])* $tag:literal = $variant:ident $( ( $payload:ty ) )? ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        pub enum $name {
            $( $(#[$variant_meta])* $variant $( ( $payload ) )? ),+
        }

        impl $name {
            /// Wire tag and name of every variant, for the specification's test.
            pub const TAGS: &'static [(u8, &'static str)] = &[ $( ($tag, stringify!($variant)) ),+ ];

            /// Returns the variant's name.
            pub fn name(&self) -> &'static str {
                match self { $( crate::codec::wire_enum!(@pattern $variant $( $payload )?) => stringify!($variant) ),+ }
            }
        }

        impl crate::codec::coding::derive::Encode for $name {
            fn encode<E: crate::codec::coding::derive::Encoder>(
                &self,
                encoder: &mut E,
            ) -> Result<(), crate::codec::coding::derive::EncodeError> {
                match self {
                    $( crate::codec::wire_enum!(@bind $variant payload $( $payload )?) => {
                        let tag: u8 = $tag;
                        crate::codec::coding::derive::Encode::encode(&tag, encoder)?;
                        crate::codec::wire_enum!(@encode encoder payload $( $payload )?)
                    } ),+
                }
            }
        }

        impl<C> crate::codec::coding::derive::Decode<C> for $name {
            fn decode<D: crate::codec::coding::derive::Decoder<Context = C>>(
                decoder: &mut D,
            ) -> Result<Self, crate::codec::coding::derive::DecodeError> {
                let tag: u8 = crate::codec::coding::derive::Decode::decode(decoder)?;
                match tag {
                    $( $tag => Ok(crate::codec::wire_enum!(@decode decoder $variant $( $payload )?)), )+
                    _ => Err(crate::codec::coding::derive::DecodeError::OtherString(format!(
                        concat!("unknown tag {} of ", stringify!($name)), tag
                    ))),
                }
            }
        }

        impl<'de, C> crate::codec::coding::derive::BorrowDecode<'de, C> for $name {
            fn borrow_decode<D: crate::codec::coding::derive::BorrowDecoder<'de, Context = C>>(
                decoder: &mut D,
            ) -> Result<Self, crate::codec::coding::derive::DecodeError> {
                crate::codec::coding::derive::Decode::decode(decoder)
            }
        }
    };
    (@pattern $variant:ident) => { Self::$variant };
    (@pattern $variant:ident $payload:ty) => { Self::$variant(_) };
    (@bind $variant:ident $name:ident) => { Self::$variant };
    (@bind $variant:ident $name:ident $payload:ty) => { Self::$variant($name) };
    (@encode $encoder:ident $name:ident) => { Ok(()) };
    (@encode $encoder:ident $name:ident $payload:ty) => { crate::codec::coding::derive::Encode::encode($name, $encoder) };
    (@decode $decoder:ident $variant:ident) => { Self::$variant };
    (@decode $decoder:ident $variant:ident $payload:ty) => {
        Self::$variant(crate::codec::coding::derive::Decode::decode($decoder)?)
    };
}
pub(crate) use wire_enum;
