//! Messages in the wire format of Protocol Buffers, as far as ONNX needs it.
//!
//! A message is a sequence of fields: a key, which is the field's number times 8 plus a wire type, and a
//! value. Wire types: 0 a varint (7 bits a byte, lowest first, the top bit says that more follow), 2 a
//! length as a varint and so many bytes. Fields that are left out have their defaults.
//! <https://protobuf.dev/programming-guides/encoding/>

/// A message under construction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// Adds a whole number.
    pub fn number(mut self, field: u32, value: i64) -> Self {
        self.varint(u64::from(field << 3));
        // Negative numbers are those of 64 bits in two's complement.
        self.varint(value as u64);
        self
    }

    /// Adds a number for each of a list.
    pub fn numbers(self, field: u32, values: &[usize]) -> Self {
        values.iter().fold(self, |message, &value| message.number(field, value as i64))
    }

    /// Adds bytes.
    pub fn bytes(mut self, field: u32, bytes: &[u8]) -> Self {
        self.varint(u64::from(field << 3 | 2));
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds a text.
    pub fn text(self, field: u32, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    /// Adds a message inside this one.
    pub fn message(self, field: u32, message: &Message) -> Self {
        self.bytes(field, &message.0)
    }

    /// Adds each of several messages.
    pub fn messages(self, field: u32, messages: &[Message]) -> Self {
        messages.iter().fold(self, |all, message| all.message(field, message))
    }

    /// The bytes on the wire.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A field as it lies on the wire.
    #[derive(Clone, Debug, PartialEq)]
    pub enum Field<'a> {
        Number(u64),
        Bytes(&'a [u8]),
    }

    /// Reads a message back: the number and the value of each field.
    pub fn read(mut bytes: &[u8]) -> Vec<(u32, Field<'_>)> {
        fn varint(bytes: &mut &[u8]) -> u64 {
            let length = 1 + bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
            let (own, rest) = bytes.split_at(length);
            *bytes = rest;
            own.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f))
        }
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let value = varint(&mut bytes);
            let field = match key & 7 {
                0 => Field::Number(value),
                2 => {
                    let (own, rest) = bytes.split_at(value as usize);
                    bytes = rest;
                    Field::Bytes(own)
                }
                other => panic!("wire type {other}"),
            };
            fields.push((u32::try_from(key >> 3).unwrap(), field));
        }
        fields
    }

    /// All bytes of the fields of this number.
    pub fn all(message: &[u8], number: u32) -> Vec<&[u8]> {
        let own = |(field, value)| match value {
            Field::Bytes(bytes) if field == number => Some(bytes),
            _ => None,
        };
        read(message).into_iter().filter_map(own).collect()
    }

    #[test]
    fn the_examples_of_the_specification_are_written_as_it_says() {
        assert_eq!(Message::default().number(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        let text = Message::default().text(2, "testing");
        assert_eq!(text.clone().into_bytes(), b"\x12\x07testing");
        let inside = Message::default().message(3, &Message::default().number(1, 150));
        assert_eq!(inside.into_bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let negative = Message::default().number(1, -2).into_bytes();
        assert_eq!(negative, [&[0x08, 0xfe][..], &[0xff; 8], &[0x01]].concat());
    }

    #[test]
    fn what_is_written_reads_back() {
        let bytes = vec![7; 300];
        let message = Message::default().numbers(7, &[1, 300]).bytes(9, &bytes).into_bytes();
        let fields = [(7, Field::Number(1)), (7, Field::Number(300)), (9, Field::Bytes(&bytes))];
        assert_eq!(read(&message), fields);
    }
}
